"""What our staff can do: below ``/api/v1/staff``, with a session of their own, and never with a customer's words.

Another noun brings a module with a ``blueprint`` whose every view begins with ``access.staff(…)``, and its line here.
"""

from services.gateway.routes.staff import disclosures, identity, inquiries, policy, sessions, surveys

BLUEPRINTS = (
    sessions.blueprint,
    policy.blueprint,
    identity.blueprint,
    surveys.blueprint,
    disclosures.blueprint,
    inquiries.blueprint,
)
