import type { Ground, Scope } from "../shared/disclosures";
import { call } from "../shared/http";

export interface Disclosure {
  disclosure_id: string;
  ground: Ground;
  explanation: string;
  scope: Scope;
  recipient: string;
  gag_until: string | null;
  gag_reference: string;
  requested_at: string;
  executed_at: string;
  conversations: number;
  sha256: string;
  reviewed: "upheld" | "refused" | null;
  is_review_due: boolean;
}

export interface Entry {
  number: number;
  at: string;
  act_id: string;
  actor: { kind: "operator" | "staff" | "system"; id: string; role: string };
  act: string;
  subject: Record<string, string>;
  details: Record<string, string>;
  hash: string;
}

export interface Head {
  chain: string;
  number: number;
  hash: string;
  signed_at: string;
  certificate: string;
}

const PAGE = 50;

export const listDisclosures = (after: string | null) => call<{ disclosures: Disclosure[]; next: string | null }>(`/api/v1/disclosures?${page(after)}`);

export const listEntries = (after: string | null) => call<{ entries: Entry[]; next: string | null }>(`/api/v1/audit?${page(after)}`);

export const getHead = () => call<{ head: Head | null }>("/api/v1/audit/head");

export const signHead = () => call<{ head: Head | null }>("/api/v1/audit/heads", { method: "POST", body: {} });

function page(after: string | null): string {
  return `limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`;
}
