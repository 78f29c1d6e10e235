import { useEffect, useRef, useState } from "preact/hooks";

import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field } from "../shared/ui/field";
import { Moment } from "../shared/ui/times";
import * as api from "./identity-api";

const LOOK_AGAIN_MS = 5_000;
const LARGEST = 10 * 1024 * 1024;
const NAMES: Record<api.Action, string> = {
  "view-billing": "show the billing details",
  "change-contact": "change the contact details",
  "change-billing": "change the billing details",
  "transfer-ownership": "hand the ownership on",
  "relax-identity": "ask for identity documents less often",
};

interface IdentityNeededProps {
  action: api.Action;
  /** It is approved: what was asked may be asked again. */
  onGranted: () => void;
}

/** Leads from a refusal to the upload of a document, and from its approval back to what was refused. */
export function IdentityNeeded({ action, onGranted }: IdentityNeededProps) {
  const { latest, problem, load } = useLatest(action);
  const isWaiting = latest?.state === "waiting";
  const isGranted = latest?.state === "approved" && latest.granted_until !== null && Date.parse(latest.granted_until) > Date.now();
  return (
    <section class="note warning identity-needed" aria-labelledby={`identity-${action}`} data-testid="identity-needed" data-action={action} data-state={latest?.state ?? "none"}>
      <h2 id={`identity-${action}`}>Please show us who you are</h2>
      <p>Before we {NAMES[action]}, we need to see a government-issued identity document of yours.</p>
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      {isWaiting && <p role="status">Your document is with our reviewers. We will mail you; you can also wait here.</p>}
      {isGranted && latest.granted_until && (
        <>
          <p role="status">
            It is approved, and its document destroyed. You can go on until <Moment at={latest.granted_until} />.
          </p>
          <Button data-testid="identity-go-on" onClick={onGranted}>
            Go on
          </Button>
        </>
      )}
      {latest !== undefined && !isWaiting && !isGranted && <Upload action={action} latest={latest} onUploaded={load} />}
    </section>
  );
}

interface UploadProps {
  action: api.Action;
  latest: api.Verification | null;
  onUploaded: () => Promise<void>;
}

function Upload({ action, latest, onUploaded }: UploadProps) {
  const input = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const send = async () => {
    const file = input.current?.files?.[0];
    if (!file) return setProblem("Please choose a file first.");
    if (file.size > LARGEST) return setProblem("The file is larger than 10 MB.");
    setBusy(true);
    setProblem("");
    try {
      await api.showDocument(action, file);
      await onUploaded();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <>
      {latest?.state === "refused" && <p data-testid="identity-refused">The last one was refused: {latest.reason}</p>}
      {latest?.state === "expired" && <p>The last one was not looked at in time and is destroyed. Please upload it again.</p>}
      <p>It is encrypted before it is stored, only our reviewers can see it, and it is destroyed after their decision, or after seven days.</p>
      <Field id={`identity-file-${action}`} label="JPEG, PNG, WebP or PDF, 10 MB at most" error={problem}>
        {(attributes) => <input {...attributes} ref={input} class="input" type="file" accept="image/jpeg,image/png,image/webp,application/pdf" data-testid="identity-file" />}
      </Field>
      <Button isBusy={isBusy} data-testid="identity-upload" onClick={send}>
        Upload
      </Button>
    </>
  );
}

/** The operator's last document for this; undefined until it is known. */
function useLatest(action: api.Action) {
  const [latest, setLatest] = useState<api.Verification | null>();
  const [problem, setProblem] = useState("");
  const load = async () => {
    try {
      const { verifications } = await api.getIdentity();
      setLatest(verifications.find((each) => each.action === action) ?? null);
      setProblem("");
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [action]);
  return { latest, problem, load };
}
