import { type ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";

import { Problem, explain } from "../shared/problems";
import { Button } from "../shared/ui/button";
import { Field, valueOf } from "../shared/ui/field";
import * as api from "./account-api";
import { CURRENCIES, countries } from "./countries";

type Errors = Record<string, string>;

interface FormProps<T> {
  known: api.Kept<T> | null;
  onSaved: (made: api.Kept<T>) => void;
  /** The server wants to see who this is before it does what was asked. */
  onIdentity: () => void;
}

const NOWHERE: api.Address = { street: "", city: "", area: "", postcode: "", country: "" };
const NOBODY: api.Contact = { name: "", contact_person: "", email: "", telephone: "", address: NOWHERE };
const NOTHING: api.Billing = { email: "", address: NOWHERE, tax_id: "", currency: "EUR" };

export function ContactForm({ known, onSaved, onIdentity }: FormProps<api.Contact>) {
  const [draft, setDraft] = useState<api.Contact>(() => contactOf(known ?? NOBODY));
  const saving = useSaving(() => api.changeContact(draft, known?.revision ?? 0), onSaved, onIdentity);
  const set = (changed: Partial<api.Contact>) => setDraft({ ...draft, ...changed });
  const line = { errors: saving.errors, part: "contact" };
  return (
    <Form part="contact" title="Contact" saving={saving}>
      <Line {...line} field="name" label="Company, or your name" value={draft.name} onChange={(name) => set({ name })} />
      <Line {...line} field="contact_person" label="Contact person" value={draft.contact_person} onChange={(contact_person) => set({ contact_person })} />
      <Line {...line} field="email" label="E-mail" inputMode="email" value={draft.email} onChange={(email) => set({ email })} />
      <Line {...line} field="telephone" label="Telephone, with its country: +49 30 901820" inputMode="tel" value={draft.telephone} onChange={(telephone) => set({ telephone })} />
      <AddressFields {...line} address={draft.address} onChange={(address) => set({ address })} />
    </Form>
  );
}

export function BillingForm({ known, onSaved, onIdentity }: FormProps<api.Billing>) {
  const [draft, setDraft] = useState<api.Billing>(() => billingOf(known ?? NOTHING));
  const saving = useSaving(() => api.changeBilling(draft, known?.revision ?? 0), onSaved, onIdentity);
  const set = (changed: Partial<api.Billing>) => setDraft({ ...draft, ...changed });
  const line = { errors: saving.errors, part: "billing" };
  return (
    <Form part="billing" title="Billing" saving={saving}>
      <p class="hint wide">We never ask for card numbers. Please give none, in any field.</p>
      <Line {...line} field="email" label="E-mail for invoices" inputMode="email" value={draft.email} onChange={(email) => set({ email })} />
      <AddressFields {...line} address={draft.address} onChange={(address) => set({ address })} />
      <Line {...line} field="tax_id" label="VAT or tax id" isOptional value={draft.tax_id} onChange={(tax_id) => set({ tax_id })} />
      <Field id="billing-currency" label="Invoices are in" error={saving.errors.currency}>
        {(attributes) => (
          <select {...attributes} class="input" value={draft.currency} onChange={(event) => set({ currency: valueOf(event) })}>
            {CURRENCIES.map((currency) => (
              <option key={currency}>{currency}</option>
            ))}
          </select>
        )}
      </Field>
    </Form>
  );
}

interface LineProps {
  part: string;
  field: string;
  label: string;
  value: string;
  errors: Errors;
  inputMode?: "text" | "email" | "tel";
  isOptional?: boolean;
  onChange: (value: string) => void;
}

function Line({ part, field, label, value, errors, inputMode = "text", isOptional = false, onChange }: LineProps) {
  const id = `${part}-${field.replace(".", "-")}`;
  return (
    <Field id={id} label={label} isOptional={isOptional} error={errors[field]}>
      {(attributes) => (
        <input {...attributes} class="input" type="text" inputMode={inputMode} data-testid={id} maxLength={200} value={value} onInput={(event) => onChange(valueOf(event))} />
      )}
    </Field>
  );
}

interface AddressFieldsProps {
  part: string;
  address: api.Address;
  errors: Errors;
  onChange: (address: api.Address) => void;
}

function AddressFields({ part, address, errors, onChange }: AddressFieldsProps) {
  const all = useMemo(countries, []);
  const set = (changed: Partial<api.Address>) => onChange({ ...address, ...changed });
  const id = `${part}-address-`;
  const line = { part, errors };
  return (
    <>
      <Field id={`${id}street`} label="Street" error={errors["address.street"]}>
        {(attributes) => (
          <textarea {...attributes} class="input" rows={2} maxLength={400} data-testid={`${id}street`} value={address.street} onInput={(event) => set({ street: valueOf(event) })} />
        )}
      </Field>
      <Line {...line} field="address.postcode" label="Postcode" isOptional value={address.postcode} onChange={(postcode) => set({ postcode })} />
      <Line {...line} field="address.city" label="Town" isOptional value={address.city} onChange={(city) => set({ city })} />
      <Line {...line} field="address.area" label="State or province" isOptional value={address.area} onChange={(area) => set({ area })} />
      <Field id={`${id}country`} label="Country" error={errors["address.country"]}>
        {(attributes) => (
          <select {...attributes} class="input" data-testid={`${id}country`} value={address.country} onChange={(event) => set({ country: valueOf(event) })}>
            <option value="">Choose…</option>
            {all.map(({ code, name }) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
    </>
  );
}

interface Saving {
  errors: Errors;
  problem: string;
  isBusy: boolean;
  isSaved: boolean;
  save: () => Promise<void>;
}

function Form({ part, title, saving: { problem, isBusy, isSaved, save }, children }: { part: api.Part; title: string; saving: Saving; children: ComponentChildren }) {
  return (
    <section class="account-section" aria-labelledby={`${part}-title`} data-testid={`${part}-form`}>
      <h2 id={`${part}-title`}>{title}</h2>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!isBusy) void save();
        }}
      >
        {children}
        {problem && (
          <p class="note problem wide" role="alert" data-testid={`${part}-problem`}>
            {problem}
          </p>
        )}
        <div class="account-foot wide">
          <Button type="submit" isBusy={isBusy} data-testid={`save-${part}`}>
            Save
          </Button>
          <span role="status" data-testid={`${part}-saved`}>
            {isSaved && "Saved and confirmed"}
          </span>
        </div>
      </form>
    </section>
  );
}

function useSaving<T>(change: () => Promise<T>, onSaved: (made: T) => void, onIdentity: () => void): Saving {
  const [errors, setErrors] = useState<Errors>({});
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isSaved, setSaved] = useState(false);
  const save = async () => {
    setBusy(true);
    setProblem("");
    setErrors({});
    setSaved(false);
    try {
      onSaved(await change());
      setSaved(true);
    } catch (error) {
      if (error instanceof Problem) setErrors(Object.fromEntries(error.errors.map(({ field, detail }) => [field, detail])));
      if (error instanceof Problem && error.code === "identity-required") onIdentity();
      else setProblem(explain(error));
    }
    setBusy(false);
  };
  return { errors, problem, isBusy, isSaved, save };
}

function contactOf({ name, contact_person, email, telephone, address }: api.Contact): api.Contact {
  return { name, contact_person, email, telephone, address };
}

function billingOf({ email, address, tax_id, currency }: api.Billing): api.Billing {
  return { email, address, tax_id, currency };
}
