import { useEffect, useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { dayOf } from "../shared/ui/times";
import * as api from "./account-api";
import { whatIsMissing } from "./account-banner";
import { BillingForm, ContactForm } from "./account-forms";
import { AccountHistory } from "./account-history";

/** The customer's contact and billing details, for owners and admins. */
export function AccountPage() {
  const account = useAccount();
  const { state, contact, billing, problem, load } = account;
  return (
    <main class="page narrow account">
      <div class="page-head">
        <h1>Account details</h1>
      </div>
      {problem && (
        <div class="note problem" role="alert">
          <p>{problem}</p>
          <Button look="quiet small" onClick={load}>
            Try again
          </Button>
        </div>
      )}
      {!state && !problem && <p class="loading">Loading the details…</p>}
      {state && <Standing state={state} onConfirmed={account.changed} />}
      {state && contact !== undefined && <ContactForm known={contact} onSaved={account.setContact} onIdentity={() => undefined} />}
      {state && billing !== undefined && <BillingForm known={billing} onSaved={account.setBilling} onIdentity={() => undefined} />}
      {state && <AccountHistory changes={account.changes} />}
    </main>
  );
}

function Standing({ state, onConfirmed }: { state: api.Account; onConfirmed: () => void }) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const isGiven = state.contact.state !== "missing" && state.billing.state !== "missing";
  const confirm = async () => {
    setBusy(true);
    setProblem("");
    try {
      await api.confirmDetails(state);
      onConfirmed();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <div class={`note ${state.is_complete ? "" : "warning"}`} data-testid="standing" data-complete={state.is_complete}>
      <p>{state.is_complete ? `Your account is complete. Please confirm the details again by ${dueDay(state)}.` : `Your account is incomplete: ${whatIsMissing(state)}.`}</p>
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      {isGiven && (
        <Button look="quiet small" isBusy={isBusy} data-testid="confirm-details" onClick={confirm}>
          Everything below is right
        </Button>
      )}
    </div>
  );
}

function dueDay({ contact, billing }: api.Account): string {
  const [first = ""] = [contact.due_at ?? "", billing.due_at ?? ""].sort();
  return dayOf(first);
}

function useAccount() {
  const [state, setState] = useState<api.Account | null>(null);
  const [contact, setContact] = useState<api.Kept<api.Contact> | null>();
  const [billing, setBilling] = useState<api.Kept<api.Billing> | null>();
  const [changes, setChanges] = useState(0);
  const [problem, setProblem] = useState("");
  const load = async () => {
    setProblem("");
    try {
      const [known, theContact, theBilling] = await Promise.all([api.getAccount(), orNothing(api.getContact()), orNothing(api.getBilling())]);
      setState(known);
      setContact(theContact);
      setBilling(theBilling);
    } catch (error) {
      setProblem(explain(error));
    }
  };
  const changed = () => {
    setChanges((count) => count + 1);
    void api.getAccount().then(setState, (error: unknown) => setProblem(explain(error)));
  };
  useEffect(() => void load(), []);
  return {
    state,
    contact,
    billing,
    changes,
    problem,
    load,
    changed,
    setContact: (made: api.Kept<api.Contact>) => {
      setContact(made);
      changed();
    },
    setBilling: (made: api.Kept<api.Billing>) => {
      setBilling(made);
      changed();
    },
  };
}

/** What has not been given yet is not there. */
async function orNothing<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}
