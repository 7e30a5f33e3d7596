"""The fraud controls of one process, made of its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from payops.fraud.domain import rules
from payops.fraud.domain.devices import DeviceRules, FirstUse, Policy
from payops.fraud.ports import Channel, Courier
from payops.fraud.service.changing import Changing
from payops.fraud.service.delivering import Messenger
from payops.fraud.service.devices import Devices
from payops.fraud.service.guarding import Guard
from payops.fraud.service.velocity import Anomaly, Velocity
from payops.infra.db import Database
from payops.infra.settings import Environment, Settings
from payops.pii.sealing import Fingerprints
from payops.pii.service import PersonalData


@dataclass(frozen=True, slots=True)
class Controls:
    """Everything this slice does, put together."""

    velocity: Velocity
    changing: Changing
    devices: Devices
    guard: Guard
    messenger: Messenger


def controls_of(
    settings: Settings,
    db: Database,
    *,
    fingerprints: Fingerprints,
    personal_data: PersonalData,
    couriers: Mapping[Channel, Courier],
) -> Controls:
    """Nothing is started and nothing is read yet."""
    velocity = _velocity(settings)
    devices = Devices(
        _device_rules(settings),
        fingerprints=fingerprints,
        personal_data=personal_data,
        channels=frozenset(couriers),
        shows_code=settings.env is not Environment.PRODUCTION,
    )
    return Controls(
        velocity=velocity,
        changing=Changing(velocity, timedelta(hours=settings.approvals.expire_hours)),
        devices=devices,
        guard=Guard(velocity, devices),
        messenger=Messenger(db, devices=devices, personal_data=personal_data, couriers=couriers),
    )


def _velocity(settings: Settings) -> Velocity:
    group = settings.velocity
    given = rules.defaults(
        withdrawals_per_hour=group.withdrawals_per_hour,
        deposits_per_hour=group.deposits_per_hour,
        withdrawal_kes_per_day=group.withdrawal_kes_per_day,
        recipient_kes_per_day=group.recipient_kes_per_day,
    )
    minutes = group.anomaly_block_minutes
    return Velocity(
        given,
        anomaly=Anomaly(group.anomaly_refusals, timedelta(minutes=minutes) if minutes else None),
        remembered_seconds=group.rules_remembered_seconds,
    )


def _device_rules(settings: Settings) -> DeviceRules:
    group = settings.device
    return DeviceRules(
        policy=Policy(group.policy),
        first_use=FirstUse(group.first_use),
        ipv4_prefix=group.ipv4_prefix,
        ipv6_prefix=group.ipv6_prefix,
        code_lasts=timedelta(minutes=group.code_minutes),
        tries_max=group.code_tries,
    )
