import { useEffect, useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import { PolicyText } from "../shared/ui/policy-text";
import { dayOf } from "../shared/ui/times";
import * as api from "./api";
import { NoticesOf } from "./notices";

const EDITORS: readonly api.Role[] = ["legal", "admin"];
const STATES: Record<api.Version["state"], string> = { upcoming: "Takes effect", "in-force": "In force since", past: "Took effect" };

/** The versions of the privacy policy, how far their notices are, and the draft of the next. */
export function PolicyPage({ staff }: { staff: api.Staff }) {
  const [versions, setVersions] = useState<api.Version[] | null>(null);
  const [problem, setProblem] = useState("");
  const load = async () => {
    try {
      setVersions((await api.listVersions()).versions);
      setProblem("");
    } catch (error) {
      setProblem(explain(error));
    }
  };
  useEffect(() => void load(), []);
  return (
    <main class="page narrow">
      <div class="page-head">
        <h1>Privacy policy</h1>
        <a href="/policy">The public page</a>
      </div>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      {versions && <Versions versions={versions} />}
      {versions && EDITORS.includes(staff.role) && <Drafting inForce={versions.find(({ state }) => state === "in-force")} onPosted={load} />}
    </main>
  );
}

function Versions({ versions }: { versions: readonly api.Version[] }) {
  return (
    <section class="staff-section" aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      <div class="table-scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Version</th>
              <th scope="col">Posted</th>
              <th scope="col">Effect</th>
            </tr>
          </thead>
          <tbody>
            {versions.map(({ version, state, posted_at, effective_at }) => (
              <tr key={version} data-testid="version" data-version={version} data-state={state}>
                <td>
                  <a href={`/policy/${version}`}>{version}</a>
                </td>
                <td>{dayOf(posted_at)}</td>
                <td>
                  {STATES[state]} {dayOf(effective_at)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {versions
        .filter(({ version, state }) => version !== "1" && state !== "past")
        .map(({ version }) => (
          <NoticesOf key={version} version={version} />
        ))}
    </section>
  );
}

interface DraftingProps {
  inForce: api.Version | undefined;
  onPosted: () => Promise<void>;
}

function Drafting({ inForce, onPosted }: DraftingProps) {
  const { draft, summary, text, problem, isBusy, isLoaded, setSummary, setText, save, drop, post } = useDraft(inForce?.version, onPosted);
  const [effectiveOn, setEffectiveOn] = useState("");
  if (!isLoaded) return problem ? <p class="note problem">{problem}</p> : <p class="loading">Loading the draft…</p>;
  return (
    <section class="staff-section" aria-labelledby="draft">
      <h2 id="draft">The next version</h2>
      <form
        class="staff-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy) void save();
        }}
      >
        <Field id="summary" label="What changes, for the notice">
          {(attributes) => (
            <textarea {...attributes} class="input" rows={3} required data-testid="summary" value={summary} onInput={(event) => setSummary(valueOf(event))} />
          )}
        </Field>
        <Field id="text" label="Text, in Markdown">
          {(attributes) => (
            <textarea {...attributes} class="input policy" required data-testid="text" value={text} onInput={(event) => setText(valueOf(event))} />
          )}
        </Field>
        <details open>
          <summary>Preview</summary>
          <div class="staff-preview" data-testid="preview">
            <PolicyText text={text} />
          </div>
        </details>
        {problem && (
          <p class="note problem" role="alert" data-testid="draft-problem">
            {problem}
          </p>
        )}
        <div class="staff-actions">
          <Button type="submit" data-testid="save-draft" isBusy={isBusy}>
            Save the draft
          </Button>
          {draft && (
            <Button look="quiet" data-testid="drop-draft" isBusy={isBusy} onClick={drop}>
              Drop it
            </Button>
          )}
          <span role="status" data-testid="draft-revision">
            {draft ? `Saved, revision ${draft.revision}` : "Not saved yet"}
          </span>
        </div>
      </form>
      {draft && (
        <div class="staff-actions staff-section">
          <Field id="effective" label="Takes effect on (at least 15 days from now; empty: as early as it may)" isOptional>
            {(attributes) => <input {...attributes} class="input" type="date" data-testid="effective" value={effectiveOn} onInput={(event) => setEffectiveOn(valueOf(event))} />}
          </Field>
          <Button look="danger" data-testid="post" isBusy={isBusy} onClick={() => post(effectiveOn)}>
            Post it and notify every customer
          </Button>
        </div>
      )}
    </section>
  );
}

function useDraft(inForce: string | undefined, onPosted: () => Promise<void>) {
  const [draft, setDraft] = useState<api.Draft | null>(null);
  const [summary, setSummary] = useState("");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isLoaded, setLoaded] = useState(false);
  const run = async (action: () => Promise<void>) => {
    setBusy(true);
    setProblem("");
    try {
      await action();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  const show = (found: api.Draft | null, first = "") => {
    setDraft(found);
    setSummary(found?.summary ?? "");
    setText(found?.text ?? first);
    setLoaded(true);
  };
  const load = async () => {
    try {
      show(await api.getDraft());
    } catch (error) {
      if (!(error instanceof Problem && error.status === 404)) throw error;
      // A new version begins as the present one.
      show(null, inForce ? (await api.getVersion(inForce)).text : "");
    }
  };
  useEffect(() => void run(load), []);
  const save = () => run(async () => show(await api.saveDraft(draft, summary, text)));
  const drop = () =>
    run(async () => {
      if (draft) await api.dropDraft(draft);
      await load();
    });
  const post = (effectiveOn: string) =>
    run(async () => {
      // What is posted is what is on the screen.
      const saved = await api.saveDraft(draft, summary, text);
      setDraft(saved);
      await api.postDraft(saved, effectiveOn ? `${effectiveOn}T00:00:00Z` : null);
      await Promise.all([load(), onPosted()]);
    });
  return { draft, summary, text, problem, isBusy, isLoaded, setSummary, setText, save, drop, post };
}
