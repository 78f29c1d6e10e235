import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Refused } from "../shared/ui/refused";
import { dayOf } from "../shared/ui/times";
import * as api from "./account-api";
import { whatIsMissing } from "./account-banner";
import { BillingForm, ContactForm } from "./account-forms";
import { AccountHistory } from "./account-history";
import type { Action } from "./identity-api";
import { IdentityNeeded } from "./identity-needed";
import { Ownership } from "./ownership";

/** The customer's contact and billing details, for owners and admins. */
export function AccountPage({ isOwner }: { isOwner: boolean }) {
  const account = useAccount();
  const { state, contact, billing, problem, load } = account;
  return (
    <main class="page narrow account">
      <div class="page-head">
        <h1>Account details</h1>
      </div>
      {problem && <Refused problem={problem} onRetry={load} />}
      {!state && !problem && <p class="loading">Loading the details…</p>}
      {state && <Standing state={state} onConfirmed={account.changed} />}
      {state && contact !== undefined && (
        <WithIdentity action="change-contact">{(onIdentity) => <ContactForm known={contact} onSaved={account.setContact} onIdentity={onIdentity} />}</WithIdentity>
      )}
      {state && billing === "locked" && <IdentityNeeded action="view-billing" onGranted={load} />}
      {state && billing !== undefined && billing !== "locked" && (
        <WithIdentity action="change-billing">{(onIdentity) => <BillingForm known={billing} onSaved={account.setBilling} onIdentity={onIdentity} />}</WithIdentity>
      )}
      {state && billing !== "locked" && <AccountHistory changes={account.changes} />}
      {state && isOwner && <Ownership />}
    </main>
  );
}

interface WithIdentityProps {
  action: Action;
  children: (onIdentity: () => void) => ComponentChildren;
}

/** A form, and below it, once the server asks for one, the way to show a document. What was typed stays. */
function WithIdentity({ action, children }: WithIdentityProps) {
  const [isNeeded, setNeeded] = useState(false);
  return (
    <>
      {children(() => setNeeded(true))}
      {isNeeded && <IdentityNeeded action={action} onGranted={() => setNeeded(false)} />}
    </>
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
  const [billing, setBilling] = useState<api.Kept<api.Billing> | "locked" | null>();
  const [changes, setChanges] = useState(0);
  const [problem, setProblem] = useState("");
  const load = async () => {
    setProblem("");
    try {
      const [known, theContact, theBilling] = await Promise.all([api.getAccount(), orNothing(api.getContact()), orNothing(orLocked(api.getBilling()))]);
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

/** What is only shown to who shows a document. */
async function orLocked<T>(asked: Promise<T>): Promise<T | "locked"> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Problem && error.code === "identity-required") return "locked";
    throw error;
  }
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
