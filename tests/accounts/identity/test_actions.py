"""Documents are demanded, taken in, looked at, decided on and destroyed. The time is whatever a test says it is."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from services.accounts.identity import actions, sealing
from services.accounts.identity.model import (
    ACTIONS,
    AlreadyDecided,
    DocumentNotValid,
    IdentityRequired,
    VerificationNotFound,
    VerificationOpen,
)
from services.accounts.identity.sealing import MasterKey, SealBroken
from services.accounts.operators import actions as operators
from services.accounts.operators.model import NotAnOwner, OperatorNotFound
from tests.accounts.builders import NOW, an_operator
from tests.accounts.identity.files import a_pdf, opened

GONE = [0, 0, 0]
LATER = NOW + timedelta(days=30)


@pytest.fixture
def check(context):
    def demand(who, action="change-billing", *, now=LATER, **options):
        context.step_up.check(action, who, now=now, **options)

    return demand


@pytest.fixture
def view(context):
    def look(verification_id, now=NOW):
        return actions.view(
            verification_id, "rita", now=now, master_key=context.master_key, verifications=context.verifications
        )

    return look


class TestGrants:
    @pytest.fixture
    def granted(self, stranger, upload, decide):
        made = upload(stranger, now=LATER)
        return decide(made.verification_id, now=LATER)

    def test_an_unusual_session_has_to_show_a_document_and_a_usual_one_has_not(self, olga, stranger, check):
        check(olga, now=NOW)
        with pytest.raises(IdentityRequired) as demanded:
            check(stranger)
        assert demanded.value.members == {"action": "change-billing"}

    def test_an_approval_opens_exactly_that_action_for_an_hour(self, stranger, granted, check):
        hour = timedelta(hours=1)
        check(stranger)
        check(stranger, now=LATER + hour - timedelta(milliseconds=1))
        for other in ACTIONS:
            if other != "change-billing":
                with pytest.raises(IdentityRequired):
                    check(stranger, other)
        with pytest.raises(IdentityRequired):
            check(stranger, now=LATER + hour)

    def test_it_opens_nothing_for_anybody_else(self, context, granted, sign_in, check):
        for operator in (an_operator(context, "c1", role="admin"), an_operator(context, "c2", role="owner")):
            sign_in(operator)
            with pytest.raises(IdentityRequired):
                check(sign_in(operator, now=LATER, ip="203.0.113.5", user_agent="Third/1"))

    def test_a_refusal_opens_nothing(self, stranger, upload, decide, check):
        decide(upload(stranger, now=LATER).verification_id, "refused", now=LATER)

        with pytest.raises(IdentityRequired):
            check(stranger)


class TestDocuments:
    def test_only_what_is_sealed_is_kept_and_it_opens_for_the_reviewer(self, context, olga, upload, view):
        made = upload(olga, content=a_pdf(words=b"plain-words-5b1"))

        assert made.state == "waiting"
        chunk = context.database["identity_documents.chunks"].find_one()
        assert b"plain-words-5b1" not in chunk["data"]
        assert b"%PDF" not in chunk["data"]
        shown = view(made.verification_id)
        assert (shown.media_type, b"plain-words-5b1" in shown.content) == ("application/pdf", True)

    def test_a_picture_is_shown_as_one(self, olga, upload, view):
        assert opened(view(upload(olga).verification_id).content).size == (320, 200)

    def test_one_document_waits_for_each_action(self, olga, upload, decide):
        first = upload(olga)
        upload(olga, "change-contact")

        with pytest.raises(VerificationOpen):
            upload(olga)
        decide(first.verification_id, "refused")
        upload(olga)

    def test_what_is_no_document_leaves_nothing(self, context, olga, upload, left):
        with pytest.raises(DocumentNotValid):
            upload(olga, content=b"hello")
        assert (left(), context.database["identity_verifications"].count_documents({})) == (GONE, 0)

    def test_a_key_opens_its_own_document_alone_and_only_under_the_master_key(self, context, olga, upload, view):
        first, second = upload(olga), upload(olga, "change-contact")
        keys = context.database["identity_keys"]
        wrapped = keys.find_one({"_id": first.verification_id})["wrapped"]
        keys.update_one({"_id": second.verification_id}, {"$set": {"wrapped": wrapped}})

        with pytest.raises(VerificationNotFound):
            view(second.verification_id)
        other = MasterKey("A" * 42 + "E=")
        with pytest.raises(SealBroken):
            other.unwrap(wrapped, first.context)

    def test_what_was_changed_on_the_way_does_not_open(self):
        key = sealing.new_key()
        sealed = sealing.seal(b"words", key, b"a")
        assert sealing.unseal(sealed, key, b"a") == b"words"
        for broken, context in ((sealed[:-1] + bytes([sealed[-1] ^ 1]), b"a"), (sealed, b"b"), (b"", b"a")):
            with pytest.raises(SealBroken):
                sealing.unseal(broken, key, context)

    @pytest.mark.parametrize("encoded", ["", "short", "?" * 44, "A" * 64])
    def test_a_master_key_is_32_bytes(self, encoded):
        with pytest.raises(ValueError, match="32 bytes"):
            MasterKey(encoded)


class TestDestruction:
    @pytest.mark.parametrize("decision", ["approved", "refused"])
    def test_after_the_decision_nothing_is_there_and_a_receipt_says_who_looked_and_when(
        self, olga, upload, decide, left, view, decision
    ):
        made = upload(olga)
        assert left() == [1, 1, 1]
        decided = decide(made.verification_id, decision)

        assert left() == GONE
        assert (decided.receipt.is_clean, decided.receipt.looked_at) == (True, NOW)
        with pytest.raises(VerificationNotFound):
            view(made.verification_id)

    def test_after_seven_days_it_is_gone_unseen_and_its_operator_is_told(
        self, context, olga, upload, sweep, left, view
    ):
        made = upload(olga)
        week = NOW + timedelta(days=7)
        sweep(week - timedelta(milliseconds=1))
        assert left() == [1, 1, 1]
        with pytest.raises(VerificationNotFound):
            view(made.verification_id, now=week)

        sweep(week)

        assert left() == GONE
        found = context.verifications.get(made.verification_id)
        assert (found.state, found.receipt.is_clean) == ("expired", True)
        [letter] = context.database["letters"].find()
        assert letter["_id"].startswith("identity-expired.")

    def test_nobody_decides_on_what_is_too_old_even_before_it_is_swept(self, olga, upload, decide):
        made = upload(olga)
        with pytest.raises(AlreadyDecided):
            decide(made.verification_id, now=NOW + timedelta(days=7))

    def test_it_is_decided_once(self, context, olga, upload, decide):
        made = upload(olga)
        decide(made.verification_id)
        decide(made.verification_id, now=NOW + timedelta(minutes=5))
        for other in ({"decision": "refused"}, {"by": "rob"}, {"reason": "No."}):
            with pytest.raises(AlreadyDecided):
                decide(made.verification_id, **other)

        found = context.verifications.get(made.verification_id)
        assert (found.state, found.granted_until) == ("approved", NOW + timedelta(hours=1))
        assert context.database["letters"].count_documents({}) == 1

    def test_of_two_who_decide_at_once_one_does(self, context, olga, upload, decide):
        made = upload(olga)

        def attempt(decision):
            try:
                decide(made.verification_id, decision, by=decision)
            except AlreadyDecided:
                return 0
            return 1

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(attempt, ["approved", "refused"])) == 1
        assert context.database["letters"].count_documents({}) == 1

    def test_sweeping_several_times_at_once_is_sweeping(self, context, olga, upload, sweep, left):
        for action in ACTIONS:
            upload(olga, action)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sweep, [NOW + timedelta(days=8)] * 4))

        assert left() == GONE
        assert context.database["identity_verifications"].count_documents({"receipt.keys": 0}) == len(ACTIONS)
        assert context.database["letters"].count_documents({}) == len(ACTIONS)

    def test_what_a_writer_leaves_who_wakes_up_after_the_sweep_is_swept_too(self, context, olga, upload, sweep, left):
        made = upload(olga)
        sweep(NOW + timedelta(days=8))
        context.verifications.put_document("c1", made.verification_id, b"sealed")
        with pytest.raises(VerificationNotFound):
            context.verifications.admit("c1", made.verification_id, b"wrapped")

        sweep(NOW + timedelta(days=8))
        assert left() == GONE

    def test_a_document_that_waits_is_no_stray(self, olga, upload, sweep, left):
        upload(olga)
        sweep(NOW + timedelta(days=1))
        assert left() == [1, 1, 1]

    def test_the_operator_and_the_owners_are_told_of_the_decision(self, context, olga, upload, decide):
        an_operator(context, "c1", email="second@shop.example", role="owner")
        decide(upload(olga).verification_id, "refused", reason="It cannot be read.")

        [letter] = context.database["letters"].find()
        assert letter["to"] == ["olga@shop.example", "second@shop.example"]
        assert "It cannot be read." in letter["text"]


class TestStrictness:
    @pytest.fixture
    def choose(self, context):
        def strictness(who, wanted, now=NOW):
            return actions.set_strictness(
                who,
                wanted,
                now=now,
                verifications=context.verifications,
                operators=context.operators,
                step_up=context.step_up,
            )

        return strictness

    def test_always_means_always(self, olga, choose, check):
        choose(olga, "always")
        for options in ({}, {"is_first": True}):
            with pytest.raises(IdentityRequired):
                check(olga, now=NOW, **options)

    def test_less_often_is_only_for_who_shows_a_document(self, olga, choose, upload, decide):
        choose(olga, "always")
        for wanted in ("by-risk", "high-risk"):
            with pytest.raises(IdentityRequired):
                choose(olga, wanted)
        decide(upload(olga, "relax-identity").verification_id)

        assert choose(olga, "high-risk") == "high-risk"

    def test_only_an_owner_chooses(self, context, choose, sign_in):
        with pytest.raises(NotAnOwner):
            choose(sign_in(an_operator(context, "c1", role="admin")), "always")


class TestOwnership:
    @pytest.fixture
    def heir(self, context):
        return an_operator(context, "c1", email="heir@shop.example", role="operator")

    @pytest.fixture
    def transfer(self, context):
        def hand_on(who, email="heir@shop.example"):
            return operators.transfer_ownership(
                who, email, now=NOW, operators=context.operators, step_up=context.step_up
            )

        return hand_on

    def test_it_always_takes_a_document_and_swaps_the_roles(self, context, olga, heir, transfer, upload, decide):
        with pytest.raises(IdentityRequired):
            transfer(olga)
        decide(upload(olga, "transfer-ownership").verification_id)

        assert transfer(olga, "Heir@Shop.example").role == "owner"
        assert context.operators.get("c1", olga.operator_id).role == "admin"
        with pytest.raises(NotAnOwner):
            transfer(olga)

    def test_it_goes_to_a_colleague_and_to_nobody_else(self, context, olga, heir, transfer, upload, decide):
        decide(upload(olga, "transfer-ownership").verification_id)
        an_operator(context, "c2", email="foreign@other.example", role="owner")
        an_operator(context, "c1", email="gone@shop.example", is_active=False)
        for email in ("foreign@other.example", "gone@shop.example", "nobody@shop.example", "olga@shop.example"):
            with pytest.raises(OperatorNotFound):
                transfer(olga, email)
        assert context.operators.get("c1", olga.operator_id).role == "owner"

    def test_two_at_once_leave_one_owner(self, context, olga, heir, transfer, upload, decide):
        an_operator(context, "c1", email="other@shop.example")
        decide(upload(olga, "transfer-ownership").verification_id)

        def attempt(email):
            try:
                transfer(olga, email)
            except NotAnOwner:
                return 0
            return 1

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(attempt, ["heir@shop.example", "other@shop.example"])) == 1
        assert context.database["operators"].count_documents({"customer_id": "c1", "role": "owner"}) == 1
