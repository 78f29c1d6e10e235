import type { LastMessage, Message, Person, Status } from "../shared/frames";
import { call } from "../shared/http";
import { Problem } from "../shared/problems";
import type { Placement, Question, Survey } from "../shared/survey";
import type { History, PostedMessage, Transport } from "../shared/transport";

export interface Operator {
  operator_id: string;
  name: string;
  email: string;
  role: "owner" | "admin" | "operator" | "analyst";
  customer_id: string;
}

export interface Conversation {
  conversation_id: string;
  site_id: string;
  visitor_name: string;
  status: Status;
  operator: Person | null;
  department: string | null;
  opened_at: string;
  accepted_at: string | null;
  closed_at: string | null;
  last_seq: number;
  last_message: LastMessage | null;
  position: number | null;
}

export interface TranscriptRow {
  transcript_id: string;
  site_id: string;
  visitor_name: string;
  opened_at: string;
  closed_at: string;
  sealed_at: string;
  message_count: number;
  operators: string[];
  storage: "live" | "archived";
}

export interface GivenAnswer {
  question_id: string;
  label: string;
  kind: string;
  value: string;
}

export interface Captured {
  ip?: string;
  user_agent?: string;
  browser?: string;
  os?: string;
  device?: string;
  language?: string;
  page?: { url: string; title: string; referrer: string } | null;
}

export interface Transcript extends TranscriptRow {
  messages: Message[];
  captured: Captured | null;
  trail: TrailPage[];
  responses: { survey_id: string; survey_version: number; placement: Placement; answers: GivenAnswer[] }[];
  acknowledged_policy_version: string;
  acknowledgements: { version: string; acknowledged_at: string }[];
  digest: string;
}

export interface PublishedSurvey extends Survey {
  published_at: string;
}

export interface SurveyVersion {
  version: number;
  published_at: string;
  question_count: number;
}

export interface Draft {
  saved_at: string;
  questions: Question[];
}

export interface QuestionReport {
  question_id: string;
  kind: Question["kind"];
  label: string;
  is_current: boolean;
  answered: number;
  bars: { label: string; count: number }[];
  smallest: number | null;
  largest: number | null;
  mean: number | null;
}

export interface Report {
  responses: number;
  questions: QuestionReport[];
}

export interface SurveyResponse {
  response_id: string;
  survey_version: number;
  conversation_id: string | null;
  answers: GivenAnswer[];
  answered_at: string;
}

/** From the first to the last day; an empty one leaves that side open. */
export interface Period {
  from: string;
  to: string;
}

export interface Invitation {
  text: string;
  after_seconds: number;
  after_pages: number;
  every_hours: number;
}

/** What is captured of a site's visitors, and what may be done with them. */
export interface Choices {
  ip_capture: "full" | "truncated" | "off";
  has_browser: boolean;
  has_language: boolean;
  page_capture: "full" | "path" | "off";
  has_trail: boolean;
  has_cookies: boolean;
  invitation: Invitation | null;
}

export interface Site {
  site_id: string;
  site_key: string;
  name: string;
  choices: Choices;
}

export interface TrailPage {
  url: string;
  title: string;
  seen_at: string | null;
}

const PAGE = 50;

export const signIn = (email: string, password: string, remember: boolean) =>
  call<{ operator: Operator }>("/api/v1/sessions", { method: "POST", body: { email, password, remember } });

export const currentSession = () => call<{ operator: Operator }>("/api/v1/sessions/current");

export const signOut = () => call<null>("/api/v1/sessions/current", { method: "DELETE" });

export const listConversations = (status: Status, after: string | null) =>
  call<{ conversations: Conversation[]; next: string | null }>(`/api/v1/conversations?${page(after, 100)}&status=${status}`);

export const getConversation = (conversationId: string) => call<Conversation>(pathOf(conversationId));

/** What is known of the visitor until the conversation is sealed. */
export const getVisit = (conversationId: string) => call<{ captured: Captured; trail: TrailPage[] }>(`${pathOf(conversationId)}/visit`);

export const accept = (conversationId: string) => call<unknown>(`${pathOf(conversationId)}/accept`, { method: "POST", body: {} });

export const close = (conversationId: string) => call<unknown>(`${pathOf(conversationId)}/close`, { method: "POST", body: {} });

export const flagMinor = (conversationId: string) => call<unknown>(`${pathOf(conversationId)}/flag-minor`, { method: "POST", body: {} });

export const listTranscripts = (after: string | null) =>
  call<{ transcripts: TranscriptRow[]; next: string | null }>(`/api/v1/transcripts?${page(after, PAGE)}`);

export const getTranscript = (transcriptId: string) => call<Transcript>(`/api/v1/transcripts/${encodeURIComponent(transcriptId)}`);

export const listSites = () => call<{ sites: Site[] }>("/api/v1/sites");

export const addSite = (name: string, origins: string[], departments: string[]) =>
  call<Site>("/api/v1/sites", { method: "POST", body: { name, origins, departments } });

export const saveChoices = (siteId: string, choices: Choices) =>
  call<Site>(`/api/v1/sites/${encodeURIComponent(siteId)}/choices`, { method: "PUT", body: { ...choices } });

export const getSurvey = (siteId: string, placement: Placement) => call<PublishedSurvey>(surveyPathOf(siteId, placement));

export const publishSurvey = (siteId: string, placement: Placement, questions: Question[]) =>
  call<PublishedSurvey>(surveyPathOf(siteId, placement), { method: "PUT", body: { questions } });

export const listVersions = (siteId: string, placement: Placement) => call<{ versions: SurveyVersion[] }>(`${surveyPathOf(siteId, placement)}/versions`);

export const getVersion = (siteId: string, placement: Placement, version: number) =>
  call<PublishedSurvey>(`${surveyPathOf(siteId, placement)}/versions/${version}`);

export const getDraft = (siteId: string, placement: Placement) => call<Draft>(`${surveyPathOf(siteId, placement)}/draft`);

export const saveDraft = (siteId: string, placement: Placement, questions: Question[]) =>
  call<Draft>(`${surveyPathOf(siteId, placement)}/draft`, { method: "PUT", body: { questions } });

export const dropDraft = (siteId: string, placement: Placement) => call<null>(`${surveyPathOf(siteId, placement)}/draft`, { method: "DELETE" });

export const getReport = (siteId: string, placement: Placement, period: Period) =>
  call<Report>(`${surveyPathOf(siteId, placement)}/report?${queryOf(period)}`, { timeoutMs: 30_000 });

export const listResponses = (siteId: string, placement: Placement, period: Period, after: string | null) =>
  call<{ responses: SurveyResponse[]; next: string | null }>(`${surveyPathOf(siteId, placement)}/responses?${page(after, PAGE)}&${queryOf(period)}`);

/** Where the browser finds all responses as a table. */
export const tableOf = (siteId: string, placement: Placement, period: Period) => `${surveyPathOf(siteId, placement)}/responses.csv?${queryOf(period)}`;

/** Whether this operator may answer visitors. */
export const isSpeaker = ({ role }: Operator) => role !== "analyst";

/** Whether this operator may change what the customer's sites do. */
export const isAdmin = ({ role }: Operator) => role === "owner" || role === "admin";

/** What a connection needs, with the operator's cookie. */
export function operatorTransport({ operator_id, name }: Operator): Transport {
  return {
    self: { kind: "operator", id: operator_id, name },
    ticket: () => operatorTicket(operator_id),
    history: (conversationId, after, waitS, signal) =>
      call<History>(`${pathOf(conversationId)}/messages?after=${after}&wait=${waitS}`, { signal, timeoutMs: (waitS + 15) * 1_000 }),
    post: async (conversationId, clientId, text) => {
      const posted = await call<Partial<PostedMessage>>(`${pathOf(conversationId)}/messages`, {
        method: "POST",
        body: { client_id: clientId, text },
      });
      return posted?.seq === undefined ? null : (posted as PostedMessage);
    },
  };
}

/** The cookie is the whole browser's: in another tab somebody else may have signed in, and must not speak for this operator. */
async function operatorTicket(operatorId: string): Promise<{ ticket: string }> {
  const { operator } = await currentSession();
  if (operator.operator_id !== operatorId) throw new Problem(401, "not-authenticated", "");
  return call("/api/v1/tickets", { method: "POST", body: {} });
}

function page(after: string | null, limit: number): string {
  return `limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ""}`;
}

function surveyPathOf(siteId: string, placement: Placement): string {
  return `/api/v1/sites/${encodeURIComponent(siteId)}/surveys/${placement}`;
}

/** Days of the reader's own calendar, both of them whole. */
function queryOf({ from, to }: Period): string {
  const query = new URLSearchParams();
  const first = midnightOf(from);
  const next = midnightOf(to);
  next?.setDate(next.getDate() + 1);
  if (first) query.set("from", first.toISOString());
  if (next) query.set("to", next.toISOString());
  return query.toString();
}

/** Null for what is no day: a field gives out what is still being typed, such as a year of five digits. */
function midnightOf(day: string): Date | null {
  const midnight = new Date(`${day}T00:00`);
  return Number.isNaN(midnight.getTime()) ? null : midnight;
}

function pathOf(conversationId: string): string {
  return `/api/v1/conversations/${encodeURIComponent(conversationId)}`;
}
