import { useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import * as api from "./api";

const NOTHING = { name: "", origins: "", departments: "" };

/** One more website of the customer's. */
export function AddSite({ onAdded }: { onAdded: (site: api.Site) => void }) {
  const [draft, setDraft] = useState(NOTHING);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const set = (changed: Partial<typeof NOTHING>) => setDraft({ ...draft, ...changed });
  const add = async () => {
    setBusy(true);
    setProblem("");
    setErrors({});
    try {
      onAdded(await api.addSite(draft.name.trim(), linesOf(draft.origins), linesOf(draft.departments)));
      setDraft(NOTHING);
    } catch (error) {
      if (error instanceof Problem) setErrors(byField(error));
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <form
      class="site-choices"
      aria-labelledby="add-site-title"
      data-testid="add-site"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBusy) void add();
      }}
    >
      <h2 id="add-site-title">Add a site</h2>
      <Field id="new-site-name" label="Name" error={errors.name}>
        {(attributes) => (
          <input {...attributes} class="input" maxLength={200} data-testid="new-site-name" value={draft.name} onInput={(event) => set({ name: valueOf(event) })} />
        )}
      </Field>
      <Field id="new-site-origins" label="Where it is: one address a line, such as https://shop.example" error={errors.origins}>
        {(attributes) => (
          <textarea {...attributes} class="input" rows={2} data-testid="new-site-origins" value={draft.origins} onInput={(event) => set({ origins: valueOf(event) })} />
        )}
      </Field>
      <Field id="new-site-departments" label="Departments, one a line" isOptional error={errors.departments}>
        {(attributes) => (
          <textarea {...attributes} class="input" rows={2} data-testid="new-site-departments" value={draft.departments} onInput={(event) => set({ departments: valueOf(event) })} />
        )}
      </Field>
      {problem && (
        <p class="note problem" role="alert" data-testid="add-site-problem">
          {problem}
        </p>
      )}
      <Button type="submit" isBusy={isBusy} data-testid="save-site">
        Add
      </Button>
    </form>
  );
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** What is wrong with one line is said at the field that it is a line of. */
function byField({ errors }: Problem): Record<string, string> {
  return Object.fromEntries(errors.map(({ field, detail }) => [field.split(".")[0] ?? field, detail]));
}
