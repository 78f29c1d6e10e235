import { call } from "../shared/http";

export type Part = "contact" | "billing";

export interface PartState {
  state: "missing" | "confirmed" | "due";
  revision: number;
  confirmed_at: string | null;
  due_at: string | null;
}

export interface Account {
  is_complete: boolean;
  contact: PartState;
  billing: PartState;
}

export interface Address {
  street: string;
  city: string;
  area: string;
  postcode: string;
  country: string;
}

export interface Contact {
  name: string;
  contact_person: string;
  email: string;
  telephone: string;
  address: Address;
}

export interface Billing {
  email: string;
  address: Address;
  tax_id: string;
  currency: string;
}

/** As the server keeps them; ``revision`` is what a change is a change of. */
export type Kept<T> = T & { revision: number; confirmed_at: string; due_at: string };

export interface Entry {
  entry_id: string;
  part: Part;
  act: "changed" | "confirmed";
  changes: { field: string; before: string; after: string }[];
  operator_name: string;
  happened_at: string;
}

const ACCOUNT = "/api/v1/account";

export const getAccount = () => call<Account>(ACCOUNT);

export const getContact = () => call<Kept<Contact>>(`${ACCOUNT}/contact`);

export const getBilling = () => call<Kept<Billing>>(`${ACCOUNT}/billing`);

export const changeContact = (contact: Contact, revision: number) =>
  call<Kept<Contact>>(`${ACCOUNT}/contact`, { method: "PUT", body: { ...contact, revision } });

export const changeBilling = (billing: Billing, revision: number) =>
  call<Kept<Billing>>(`${ACCOUNT}/billing`, { method: "PUT", body: { ...billing, revision } });

export const confirmDetails = ({ contact, billing }: Account) =>
  call<Account>(`${ACCOUNT}/confirmations`, {
    method: "POST",
    body: { contact_revision: contact.revision, billing_revision: billing.revision },
  });

export const getHistory = (after: string | null) =>
  call<{ entries: Entry[]; next: string | null }>(`${ACCOUNT}/history?limit=20${after ? `&after=${encodeURIComponent(after)}` : ""}`);
