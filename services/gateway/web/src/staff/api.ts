import { call } from "../shared/http";
import type { Topic } from "../shared/survey";

export type Role = "support" | "reviewer" | "legal" | "admin";

export interface Staff {
  staff_id: string;
  name: string;
  email: string;
  role: Role;
}

export interface Version {
  version: string;
  state: "upcoming" | "in-force" | "past";
  effective_at: string;
  posted_at: string;
  summary: string;
}

export interface Draft {
  draft_id: string;
  revision: number;
  summary: string;
  text: string;
  saved_at: string;
}

export interface Notices {
  kind: "notice" | "reminder";
  customers: number;
  is_planned: boolean;
  sent: number;
  waiting: number;
  failed: number;
  repeated: number;
  away_since: string | null;
  unsent: { customer_id: string; attempts: number; addresses: string[]; reason: string }[];
}

export interface ServiceRatings {
  month: string;
  topic: Topic;
  /** How often each rating was given, in whole tens; one given fewer than ten times is left out. */
  ratings: Record<string, number>;
}

const STAFF = "/api/v1/staff";
const POLICY = "/api/v1/policy/versions";

export const signIn = (email: string, password: string) =>
  call<{ staff: Staff }>(`${STAFF}/sessions`, { method: "POST", body: { email, password } });

export const currentSession = () => call<{ staff: Staff }>(`${STAFF}/sessions/current`);

export const signOut = () => call<null>(`${STAFF}/sessions/current`, { method: "DELETE" });

export const listVersions = () => call<{ versions: Version[] }>(POLICY);

export const getVersion = (version: string) => call<Version & { text: string }>(`${POLICY}/${encodeURIComponent(version)}`);

export const getDraft = () => call<Draft>(`${STAFF}/policy/draft`);

export const saveDraft = (known: Draft | null, summary: string, text: string) =>
  call<Draft>(`${STAFF}/policy/draft`, {
    method: "PUT",
    body: { summary, text, ...(known && { draft_id: known.draft_id, revision: known.revision }) },
  });

export const dropDraft = ({ draft_id, revision }: Draft) =>
  call<null>(`${STAFF}/policy/draft?draft_id=${encodeURIComponent(draft_id)}&revision=${revision}`, { method: "DELETE" });

/** Without a day, it takes effect as early as it may. */
export const postDraft = ({ draft_id, revision }: Draft, effectiveAt: string | null) =>
  call<Version>(`${STAFF}/policy/versions`, {
    method: "POST",
    body: { draft_id, revision, ...(effectiveAt && { effective_at: effectiveAt }) },
  });

export const getNotices = (version: string) =>
  call<{ notices: Notices[] }>(`${STAFF}/policy/versions/${encodeURIComponent(version)}/notices`);

export interface Inquiry {
  inquiry_id: string;
  number: number;
  source: "mail" | "form";
  wish: "question" | "copy" | "erasure";
  sender: string;
  subject: string;
  state: "open" | "answered" | "closed";
  is_automatic: boolean;
  is_overdue: boolean;
  received_at: string;
  due_at: string;
}

export interface WholeInquiry extends Inquiry {
  entries: { kind: "question" | "answer"; text: string; by: string; at: string }[];
  mails: { waiting: number; sent: number; failed: number };
}

const INQUIRIES = `${STAFF}/inquiries`;
const inquiryPathOf = (inquiryId: string) => `${INQUIRIES}/${encodeURIComponent(inquiryId)}`;

export const listInquiries = (state: Inquiry["state"], after: string | null) =>
  call<{ inquiries: Inquiry[]; next: string | null }>(`${INQUIRIES}?limit=50&state=${state}${after ? `&after=${encodeURIComponent(after)}` : ""}`);

export const getInquiry = (inquiryId: string) => call<WholeInquiry>(inquiryPathOf(inquiryId));

export const answerInquiry = (inquiryId: string, client_id: string, text: string) =>
  call<WholeInquiry>(`${inquiryPathOf(inquiryId)}/answers`, { method: "POST", body: { client_id, text } });

export const closeInquiry = (inquiryId: string) => call<WholeInquiry>(`${inquiryPathOf(inquiryId)}/close`, { method: "POST", body: {} });

export const getServiceReport = () => call<{ months: ServiceRatings[] }>(`${STAFF}/survey-report`);
