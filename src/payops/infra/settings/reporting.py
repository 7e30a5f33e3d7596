"""Who gets reports, and when."""

from pydantic import Field

from payops.infra.settings.base import Group, Names


class Reporting(Group):
    email_to: Names = Field(
        (), description="Who gets yesterday's report by e-mail, comma-separated; empty is nobody"
    )
    daily_cron: str = Field("0 4 * * *", description="When it is sent, in UTC")
