"""From where on a figure is trouble."""

from pydantic import Field

from payops.infra.settings.base import Group, Names


class Watching(Group):
    """Thresholds of the rules that are looked at every minute; 0 switches a rule off."""

    exposure_kes: int = Field(
        500_000, ge=0, description="Unclear payouts that add up to more, whole shillings; 0 is off"
    )
    pending_minutes: int = Field(
        10, ge=0, description="A withdrawal waits longer to be sent, and nothing is halted"
    )
    failure_percent: int = Field(
        20, ge=0, le=100, description="More of the last hour's ended payouts failed than this"
    )
    failure_count_min: int = Field(
        10, ge=1, description="Fewer ended payouts in the hour say nothing about a rate"
    )
    silence_minutes: int = Field(
        15, ge=0, description="Sent payouts wait, and their rail has called back nothing for longer"
    )
    inbox_seconds: int = Field(
        120, ge=0, description="A signed notification waits longer to have its effect"
    )
    rejected_callbacks: int = Field(
        20, ge=0, description="More badly signed notifications of a source in a quarter of an hour"
    )
    float_refusals: int = Field(
        3, ge=0, description="More payouts in a quarter of an hour refused because of the float"
    )
    float_codes: Names = Field(
        ("INSUFFICIENT_BALANCE", "INSUFFICIENT_FUNDS", "INSUFFICIENT_FLOAT"),
        description="What the rail calls a float that is too low",
    )
    reconciliation_hours: int = Field(
        26, ge=0, description="A reconciliation was not finished for longer"
    )
    job_late_minutes: int = Field(
        15, ge=0, le=180, description="A job's slot is not done after so long"
    )
    key_days: int = Field(365, ge=0, description="A key or a secret is in use for longer")
