"""What the standards' own test vectors, and the projects' documents, say of an address."""

import pytest

from payops.deposits.addresses.networks import validate
from payops.deposits.addresses.verdicts import Flaw, Verdict

# BIP-350, and BIP-173 where it has more. Those of test networks stand among the refused.
SEGWIT = (
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
)

# BIP-350's invalid addresses, with the reason given there as we call it.
NOT_SEGWIT = {
    "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut": Flaw.PREFIX,
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd": Flaw.CHECKSUM,
    "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf": Flaw.PREFIX,
    "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL": Flaw.VERSION,
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh": Flaw.CHECKSUM,
    "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47": Flaw.PREFIX,
    "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4": Flaw.ALPHABET,
    "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R": Flaw.VERSION,
    "bc1pw5dgrnzv": Flaw.LENGTH,
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav": Flaw.LENGTH,
    "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P": Flaw.LENGTH,
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq": Flaw.PREFIX,
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf": Flaw.LENGTH,
    "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j": Flaw.PREFIX,
    "bc1gmk9yu": Flaw.LENGTH,
    # BIP-173's.
    "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7": Flaw.PREFIX,
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5": Flaw.CHECKSUM,
    "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du": Flaw.VERSION,
}

# Valid there, and refused here on purpose: nobody can own them, or they are of a test network.
NOT_TO_BE_PAID = {
    "BC1SW50QGDZ25J": Flaw.VERSION,
    "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs": Flaw.VERSION,
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y": Flaw.LENGTH,
    "bc1pfeessrawgf": Flaw.LENGTH,
    "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7": Flaw.PREFIX,
    "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c": Flaw.PREFIX,
    "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy": Flaw.PREFIX,
    "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn": Flaw.PREFIX,
    "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc": Flaw.PREFIX,
}

OTHERS = {
    "bitcoin": (
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "1111111111111111111114oLvT2",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    ),
    "litecoin": (
        "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
        "LaMT348PWRnrqeeWArpwQPbuanpXDZGEUz",
        "MQMcJhpWHYVeQArcZR3sBgyPZxxRtnH441",
    ),
    "dogecoin": (
        "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",
        "A8c3xNz2mqsDLFwv5KL5fpH12QEwDaoTXo",
    ),
    # The table of translations in the specification.
    "bitcoin-cash": (
        "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        "bitcoincash:qr95sy3j9xwd2ap32xkykttr4cvcu7as4y0qverfuy",
        "bitcoincash:qqq3728yw0y47sqn6l2na30mcw6zm78dzqre909m2r",
        "bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq",
        "bitcoincash:pr95sy3j9xwd2ap32xkykttr4cvcu7as4yc93ky28e",
        "bitcoincash:pqq3728yw0y47sqn6l2na30mcw6zm78dzq5ucqzc37",
        "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        "BITCOINCASH:QPM2QSZNHKS23Z7629MMS6S4CWEF74VCWVY22GDX6A",
    ),
    # EIP-55: all capitals, all small, and as they come.
    "ethereum": (
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ),
    "tron": ("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"),
    "xrp": (
        "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpf",
        "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
        "rrrrrrrrrrrrrrrrrrrrrhoLvTp",
    ),
    "solana": (
        "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
        "11111111111111111111111111111111",
    ),
    # SEP-23.
    "stellar": (
        "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ",
        "GA3D5KRYM6CB7OWQ6TWYRR3Z4T7GNZLKERYNZGGA5SOAOPIFY6YQHES5",
    ),
    # TON's documents: one account in its three forms.
    "ton": (
        "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrHF",
        "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff+W72r5gqPrHF",
        "UQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPuwA",
        "0:ca6e321c7cce9ecedf0a8ca2492ec8592494aa5fb5ce0387dff96ef6af982a3e",
        "-1:fcb91a3a3816d0f7b8c2c76108b8a9bc5a6b7a55bd79f8ab101c52db29232260",
    ),
}

REFUSED = [
    ("bitcoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", Flaw.CHECKSUM),
    ("bitcoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJa", Flaw.LENGTH),
    ("bitcoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN0", Flaw.ALPHABET),
    ("bitcoin", "11111111111111111111114oLvT2", Flaw.LENGTH),
    ("bitcoin", "Bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Flaw.MIXED_CASE),
    ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3T4", Flaw.MIXED_CASE),
    ("bitcoin", "bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Flaw.PREFIX),
    ("bitcoin", "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", Flaw.PREFIX),
    ("bitcoin", f"bc1q{'q' * 100}", Flaw.LENGTH),
    ("bitcoin", "bc1", Flaw.LENGTH),
    ("litecoin", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", Flaw.PREFIX),
    ("litecoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Flaw.PREFIX),
    ("dogecoin", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", Flaw.PREFIX),
    ("bitcoin-cash", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", Flaw.PREFIX),
    ("bitcoin-cash", "bchtest:pr6m7j9njldwwzlg9v7v53unlr4jkmx6eyvwc0uz5t", Flaw.PREFIX),
    ("bitcoin-cash", "pr6m7j9njldwwzlg9v7v53unlr4jkmx6eyvwc0uz5t", Flaw.CHECKSUM),
    # Of the specification's larger vectors: a hash of 24 bytes, which no coin is locked with.
    ("bitcoin-cash", "bitcoincash:q9adhakpwzztepkpwp5z0dq62m6u5v5xtyj7j3h2ws4mr9g0", Flaw.VERSION),
    (
        "bitcoin-cash",
        "bitcoincash:Qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        Flaw.MIXED_CASE,
    ),
    ("bitcoin-cash", "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6b", Flaw.ALPHABET),
    ("bitcoin-cash", "bitcoincash:", Flaw.PREFIX),
    ("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", Flaw.CHECKSUM),
    ("ethereum", "0X5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", Flaw.PREFIX),
    ("ethereum", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", Flaw.PREFIX),
    ("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", Flaw.LENGTH),
    ("ethereum", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg", Flaw.ALPHABET),
    ("tron", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u", Flaw.CHECKSUM),
    ("tron", "0xa614f803B6FD780986A42c78Ec9c7f77e6DeD13C", Flaw.PREFIX),
    ("xrp", "XVLhHMPHU98es4dbozjVtdWzVrDjtV5fdx1mHp98tDMoQXb", Flaw.PREFIX),
    ("xrp", "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpg", Flaw.CHECKSUM),
    ("xrp", "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYl0", Flaw.ALPHABET),
    ("solana", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyT", Flaw.LENGTH),
    ("solana", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt10", Flaw.ALPHABET),
    ("solana", "1111111111111111111111111111111", Flaw.LENGTH),
    # SEP-23's: too short, too long, the wrong letter, the wrong checksum.
    ("stellar", "GAAAAAAAACGC6", Flaw.LENGTH),
    ("stellar", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZA", Flaw.LENGTH),
    ("stellar", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSG0", Flaw.ALPHABET),
    ("stellar", "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGA", Flaw.CHECKSUM),
    ("stellar", "ga7qynf7sowq3glr2bgmzehxavirza4kvwltjjfc7mgxua74p7ujvsgz", Flaw.PREFIX),
    (
        "stellar",
        "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUAAAAAAAAAAAACJUQ",
        Flaw.PREFIX,
    ),
    ("ton", "kQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPgpP", Flaw.VERSION),
    ("ton", "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrHG", Flaw.CHECKSUM),
    ("ton", "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrH", Flaw.LENGTH),
    ("ton", "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7X-A4ff+W72r5gqPrHF", Flaw.ALPHABET),
    ("ton", "2:ca6e321c7cce9ecedf0a8ca2492ec8592494aa5fb5ce0387dff96ef6af982a3e", Flaw.ALPHABET),
    ("ton", "0:ca6e321c7cce9ecedf0a8ca2492ec8592494aa5fb5ce0387dff96ef6af982a", Flaw.ALPHABET),
]


@pytest.mark.parametrize("address", SEGWIT)
def test_a_segwit_address_of_the_standard_is_valid(address: str) -> None:
    """Keys, scripts and taproot; all small or all capitals."""
    assert Verdict(is_valid=True, network="bitcoin") == validate("bitcoin", address)


@pytest.mark.parametrize(("address", "reason"), NOT_SEGWIT.items())
def test_an_invalid_segwit_address_of_the_standard_is_refused(address: str, reason: Flaw) -> None:
    """Each of the published traps, bech32 in place of bech32m among them."""
    expected = Verdict(is_valid=False, network="bitcoin", reason=reason)

    assert expected == validate("bitcoin", address)


@pytest.mark.parametrize(("address", "reason"), NOT_TO_BE_PAID.items())
def test_a_real_address_that_loses_the_money_is_refused(address: str, reason: Flaw) -> None:
    """Versions that have no meaning yet, and test networks."""
    expected = Verdict(is_valid=False, network="bitcoin", reason=reason)

    assert expected == validate("bitcoin", address)


@pytest.mark.parametrize(
    ("network", "address"),
    [(network, address) for network, addresses in OTHERS.items() for address in addresses],
)
def test_an_address_of_the_documents_is_valid(network: str, address: str) -> None:
    """Every kind that a network has."""
    assert Verdict(is_valid=True, network=network) == validate(network, address)


@pytest.mark.parametrize(("network", "address", "reason"), REFUSED)
def test_what_is_wrong_with_an_address_is_said(network: str, address: str, reason: Flaw) -> None:
    """One closed code for each way to be wrong."""
    assert Verdict(is_valid=False, network=network, reason=reason) == validate(network, address)
