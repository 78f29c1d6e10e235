import type { Ground, Scope } from "../shared/disclosures";
import { call } from "../shared/http";

interface Person {
  id: string;
  name: string;
}

export interface Asked {
  customer_id: string;
  ground: Ground;
  explanation: string;
  scope: Scope;
  recipient: string;
  recipient_key: string;
  gag_until?: string;
  gag_reference?: string;
}

export interface Disclosure extends Omit<Asked, "recipient_key" | "gag_until" | "gag_reference"> {
  disclosure_id: string;
  recipient_fingerprint: string;
  gag_until: string | null;
  gag_reference: string;
  state: "requested" | "approved" | "refused" | "executed";
  requested_by: Person;
  requested_at: string;
  decision: { outcome: "approved" | "refused"; by: Person; at: string; reason: string } | null;
  review: { due_at: string; outcome: "upheld" | "refused" | null; by: Person | null; at: string | null; reason: string } | null;
  is_overdue: boolean;
  bundle: { size: number; sha256: string; conversations: number; missing: string[]; executed_at: string; kept_until: string; removed_at: string | null } | null;
  telling: { state: "waiting" | "sent" | "failed"; attempts: number; reason: string; told_at: string | null } | null;
}

const DISCLOSURES = "/api/v1/staff/disclosures";
const PAGE = 50;

export const listRegister = (after: string | null) =>
  call<{ disclosures: Disclosure[]; next: string | null }>(`${DISCLOSURES}?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`);

export const requestDisclosure = (asked: Asked) => call<Disclosure>(DISCLOSURES, { method: "POST", body: { ...asked } });

export const decide = (disclosureId: string, outcome: "approved" | "refused", reason: string) =>
  call<Disclosure>(`${pathOf(disclosureId)}/decision`, { method: "POST", body: { outcome, reason } });

export const review = (disclosureId: string, outcome: "upheld" | "refused", reason: string) =>
  call<Disclosure>(`${pathOf(disclosureId)}/review`, { method: "POST", body: { outcome, reason } });

/** Where the browser finds the sealed bundle. */
export const bundleOf = (disclosureId: string) => `${pathOf(disclosureId)}/bundle`;

function pathOf(disclosureId: string): string {
  return `${DISCLOSURES}/${encodeURIComponent(disclosureId)}`;
}
