"""A customer's own account, below ``/api/v1/account``: for people who are signed in, never for programs."""

from services.gateway.routes.account import details, identity

BLUEPRINTS = (details.blueprint, identity.blueprint)
