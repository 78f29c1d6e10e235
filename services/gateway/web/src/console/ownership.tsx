import { useEffect, useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Confirm } from "../shared/ui/confirm";
import { Field, valueOf } from "../shared/ui/field";
import * as api from "./identity-api";
import { IdentityNeeded } from "./identity-needed";

const STRICTNESS: Record<api.Strictness, string> = {
  "by-risk": "When the session looks unusual",
  "high-risk": "Only when it looks very unusual",
  always: "Always",
};

/** What only an owner does: say how often identity documents are demanded, and hand the account on. */
export function Ownership() {
  return (
    <section class="account-section" aria-labelledby="ownership-title">
      <h2 id="ownership-title">Ownership</h2>
      <StrictnessChoice />
      <Transfer />
    </section>
  );
}

function StrictnessChoice() {
  const [strictness, setStrictness] = useState<api.Strictness | null>(null);
  const { problem, isNeeded, attempt, over } = useAttempt();
  const [wanted, setWanted] = useState<api.Strictness | null>(null);
  useEffect(() => void attempt(async () => setStrictness((await api.getIdentity()).strictness)), []);
  const choose = (value: api.Strictness) => {
    setWanted(value);
    void attempt(async () => setStrictness((await api.setStrictness(value)).strictness));
  };
  if (!strictness) return problem ? <p class="note problem">{problem}</p> : null;
  return (
    <>
      <Field id="strictness" label="An identity document is demanded before billing details are shown, or details changed" error={problem}>
        {(attributes) => (
          <select {...attributes} class="input" data-testid="strictness" value={strictness} onChange={(event) => choose(valueOf(event) as api.Strictness)}>
            {(Object.keys(STRICTNESS) as api.Strictness[]).map((each) => (
              <option key={each} value={each}>
                {STRICTNESS[each]}
              </option>
            ))}
          </select>
        )}
      </Field>
      {isNeeded && wanted && (
        <IdentityNeeded
          action="relax-identity"
          onGranted={() => {
            over();
            choose(wanted);
          }}
        />
      )}
    </>
  );
}

function Transfer() {
  const [email, setEmail] = useState("");
  const [isAsking, setAsking] = useState(false);
  const { problem, isNeeded, attempt, over } = useAttempt();
  const transfer = () => {
    setAsking(false);
    over();
    // Who one is has changed: the page begins anew.
    void attempt(async () => {
      await api.transferOwnership(email);
      location.reload();
    });
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setAsking(true);
      }}
    >
      <Field id="heir" label="E-mail of the colleague who is to be the owner" error={problem}>
        {(attributes) => <input {...attributes} class="input" type="email" data-testid="heir" value={email} onInput={(event) => setEmail(valueOf(event))} />}
      </Field>
      <div class="account-foot">
        <Button type="submit" look="quiet" isBusy={!email} data-testid="transfer">
          Hand the ownership on
        </Button>
      </div>
      {isAsking && (
        <Confirm
          title="Hand the ownership on?"
          detail={`${email} becomes the owner of this account. You stay an admin, and only they can give it back.`}
          yes="Hand it on"
          no="Keep it"
          testId="transfer-confirm"
          onYes={transfer}
          onNo={() => setAsking(false)}
        />
      )}
      {isNeeded && <IdentityNeeded action="transfer-ownership" onGranted={transfer} />}
    </form>
  );
}

/** Does what the server may want to see a document for. */
function useAttempt() {
  const [problem, setProblem] = useState("");
  const [isNeeded, setNeeded] = useState(false);
  const attempt = async (act: () => Promise<void>) => {
    setProblem("");
    try {
      await act();
    } catch (error) {
      const isIdentity = error instanceof Problem && error.code === "identity-required";
      setNeeded(isIdentity);
      if (!isIdentity) setProblem(explain(error));
    }
  };
  return { problem, isNeeded, attempt, over: () => setNeeded(false) };
}
