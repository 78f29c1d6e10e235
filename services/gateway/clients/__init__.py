"""What the gateway asks the other services, one class each; what they may answer for a short while is kept."""

from services.gateway.clients.account import AccountClient
from services.gateway.clients.accounts import AccountsClient, Credential, Operator, SignIn, Site
from services.gateway.clients.asking import Recent, fingerprint
from services.gateway.clients.audit import AuditClient
from services.gateway.clients.chat import (
    CONVERSATIONS_PAGE,
    ChatClient,
    ConversationState,
    NewCookie,
    Visit,
    Visitor,
)
from services.gateway.clients.disclosures import DisclosuresClient
from services.gateway.clients.history import HistoryReader, OutOfReach
from services.gateway.clients.identity import IdentityClient
from services.gateway.clients.inquiries import Confirmation, InquiriesClient
from services.gateway.clients.messages import History, Status, StoredMessage
from services.gateway.clients.policy import Policy, PolicyClient, PolicyVersion
from services.gateway.clients.staff import StaffClient, StaffCredential, StaffSignIn
from services.gateway.clients.surveys import SurveysClient
from services.gateway.clients.transcripts import TranscriptsClient

__all__ = [
    "CONVERSATIONS_PAGE",
    "AccountClient",
    "AccountsClient",
    "AuditClient",
    "ChatClient",
    "Confirmation",
    "ConversationState",
    "Credential",
    "DisclosuresClient",
    "History",
    "HistoryReader",
    "IdentityClient",
    "InquiriesClient",
    "NewCookie",
    "Operator",
    "OutOfReach",
    "Policy",
    "PolicyClient",
    "PolicyVersion",
    "Recent",
    "SignIn",
    "Site",
    "StaffClient",
    "StaffCredential",
    "StaffSignIn",
    "Status",
    "StoredMessage",
    "SurveysClient",
    "TranscriptsClient",
    "Visit",
    "Visitor",
    "fingerprint",
]
