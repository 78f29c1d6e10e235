import { useState } from "preact/hooks";

import { GROUNDS, type Ground, type Scope } from "../shared/disclosures";
import { explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import * as api from "./disclosures-api";

const KINDS: Record<Scope["kind"], string> = { conversations: "Certain conversations", visitor: "All of one visitor", period: "All of a period" };
const EMPTY = {
  customer: "",
  ground: "legal-process" as Ground,
  explanation: "",
  kind: "conversations" as Scope["kind"],
  conversations: "",
  visitor: "",
  since: "",
  until: "",
  recipient: "",
  key: "",
  gagUntil: "",
  gagReference: "",
};
type Form = typeof EMPTY;

/** Asks for a disclosure; in an emergency that is all it takes, until somebody else reviews it. */
export function RequestDisclosure({ onRequested }: { onRequested: () => Promise<void> }) {
  const [form, setForm] = useState<Form>(EMPTY);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const set = (changes: Partial<Form>) => setForm((before) => ({ ...before, ...changes }));
  const send = async () => {
    setBusy(true);
    setProblem("");
    try {
      await api.requestDisclosure(askedBy(form));
      setForm(EMPTY);
      await onRequested();
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <details class="staff-section" data-testid="request">
      <summary>Ask for a disclosure</summary>
      <form
        class="staff-form staff-section"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy) void send();
        }}
      >
        <Text id="customer" label="Customer" form={form} name="customer" set={set} />
        <Choice id="ground" label="Ground" options={GROUNDS} value={form.ground} onChange={(ground) => set({ ground })} />
        {form.ground === "emergency" && <p class="note warning">It is carried out at once, and somebody else has to review it within 72 hours.</p>}
        <Text id="explanation" label="Why; the customer will read this" form={form} name="explanation" set={set} isLong />
        <Choice id="kind" label="What" options={KINDS} value={form.kind} onChange={(kind) => set({ kind })} />
        <ScopeFields form={form} set={set} />
        <Text id="recipient" label="Recipient" form={form} name="recipient" set={set} />
        <Text id="key" label="Public key of the recipient, X25519 in PEM" form={form} name="key" set={set} isLong />
        <Text id="gag-until" label="Not to be told before" input={{ type: "date" }} form={form} name="gagUntil" set={set} isOptional />
        {form.gagUntil && <Text id="gag-reference" label="Reference of the court" form={form} name="gagReference" set={set} />}
        {problem && (
          <p class="note problem" role="alert" data-testid="request-problem">
            {problem}
          </p>
        )}
        <div class="staff-actions">
          <Button type="submit" data-testid="send-request" isBusy={isBusy}>
            Ask for it
          </Button>
        </div>
      </form>
    </details>
  );
}

interface FormProps {
  form: Form;
  set: (changes: Partial<Form>) => void;
}

function ScopeFields({ form, set }: FormProps) {
  switch (form.kind) {
    case "conversations":
      return <Text id="conversations" label="Conversations, one a line" form={form} name="conversations" set={set} isLong />;
    case "visitor":
      return <Text id="visitor" label="Visitor" form={form} name="visitor" set={set} />;
    case "period":
      return (
        <>
          <Text id="since" label="Opened from" input={{ type: "datetime-local" }} form={form} name="since" set={set} />
          <Text id="until" label="and before" input={{ type: "datetime-local" }} form={form} name="until" set={set} />
        </>
      );
  }
}

interface TextProps extends FormProps {
  id: string;
  label: string;
  name: Exclude<keyof Form, "ground" | "kind">;
  input?: { type: "text" } | { type: "date" } | { type: "datetime-local" };
  isLong?: boolean;
  isOptional?: boolean;
}

function Text({ id, label, form, name, set, input = { type: "text" }, isLong = false, isOptional = false }: TextProps) {
  const common = { class: "input", required: !isOptional, "data-testid": id, value: form[name] };
  return (
    <Field id={id} label={label} isOptional={isOptional}>
      {(attributes) =>
        isLong ? (
          <textarea {...attributes} {...common} rows={4} onInput={(event) => set({ [name]: valueOf(event) })} />
        ) : (
          <input {...attributes} {...common} {...input} onInput={(event) => set({ [name]: valueOf(event) })} />
        )
      }
    </Field>
  );
}

interface ChoiceProps<T extends string> {
  id: string;
  label: string;
  options: Record<T, string>;
  value: T;
  onChange: (value: T) => void;
}

function Choice<T extends string>({ id, label, options, value, onChange }: ChoiceProps<T>) {
  return (
    <Field id={id} label={label}>
      {(attributes) => (
        <select {...attributes} class="input" data-testid={id} value={value} onChange={(event) => onChange(valueOf(event) as T)}>
          {(Object.keys(options) as T[]).map((each) => (
            <option key={each} value={each}>
              {options[each]}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function askedBy(form: Form): api.Asked {
  return {
    customer_id: form.customer.trim(),
    ground: form.ground,
    explanation: form.explanation,
    scope: scopeIn(form),
    recipient: form.recipient,
    recipient_key: form.key,
    ...(form.gagUntil && { gag_until: momentOf(form.gagUntil), gag_reference: form.gagReference }),
  };
}

function scopeIn({ kind, conversations, visitor, since, until }: Form): Scope {
  switch (kind) {
    case "conversations":
      return { kind, conversation_ids: conversations.split(/[\s,]+/).filter(Boolean) };
    case "visitor":
      return { kind, visitor_id: visitor.trim() };
    case "period":
      return { kind, since: momentOf(since), until: momentOf(until) };
  }
}

/** A day or an hour of the reader's own calendar. */
function momentOf(local: string): string {
  return new Date(local.includes("T") ? local : `${local}T00:00`).toISOString();
}
