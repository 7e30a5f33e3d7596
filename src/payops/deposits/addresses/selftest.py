"""Known answers, asked for when the program starts.

A hash that computes something else, from a broken build or a library that changed its mind,
would let a wrong address pass or refuse every right one. Neither may be found out by a payer.
"""

from typing import Final

from payops.deposits.addresses import evm
from payops.deposits.addresses.networks import validate

_KECCAK_OF_NOTHING: Final = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"

# From the standards' own test vectors or, where there are none, from the projects' documents.
_VALID: Final = (
    ("bitcoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
    ("bitcoin", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"),
    ("bitcoin", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
    ("bitcoin", "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"),
    ("bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),
    ("litecoin", "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9"),
    ("litecoin", "LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz"),
    ("dogecoin", "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L"),
    ("bitcoin-cash", "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"),
    *((network, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed") for network in evm.NETWORKS),
    ("tron", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
    ("xrp", "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpf"),
    ("solana", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"),
    ("stellar", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"),
    ("ton", "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrHF"),
)

# Each differs from a valid one where only the checksum can tell, or is of a test network.
_INVALID: Final = (
    ("bitcoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3"),
    ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh"),
    ("bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd"),
    ("bitcoin", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
    ("bitcoin-cash", "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6q"),
    ("ethereum", "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    ("tron", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u"),
    ("xrp", "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpg"),
    ("stellar", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGA"),
    ("ton", "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrHG"),
)


class SelfTestFailed(Exception):
    """No address may be judged, and none shown, until the cause is found."""


def self_test() -> None:
    """Takes about a millisecond.

    Raises:
        SelfTestFailed: an answer is not the known one; the text names it.
    """
    if evm.keccak_256(b"").hex() != _KECCAK_OF_NOTHING:
        raise SelfTestFailed("Keccak-256 of nothing is not what it should be")
    wrong = [
        address
        for known, expected in ((_VALID, True), (_INVALID, False))
        for network, address in known
        if validate(network, address).is_valid is not expected
    ]
    if wrong:
        raise SelfTestFailed(f"judged wrongly: {', '.join(wrong)}")
