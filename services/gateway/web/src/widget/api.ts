import type { Page } from "../shared/embedding";
import type { Person, Status } from "../shared/frames";
import { call } from "../shared/http";
import type { Answers, Survey } from "../shared/survey";
import type { History, Transport } from "../shared/transport";

export interface Config {
  site: { name?: string };
  online: boolean;
  texts: { greeting?: string };
  theme: { color?: string };
  surveys: { pre_chat: Survey | null; post_chat: Survey | null; offline: Survey | null };
  notice: string;
  policy: { version: string; effective_at: string; text: string; upcoming: { version: string; effective_at: string } | null };
  cookies?: { enabled: boolean; is_set: boolean; lasts_days: number };
  invitation?: { text: string; after_seconds: number; after_pages: number } | null;
  has_trail?: boolean;
}

export interface Visit {
  visitor_token: string;
  visit_id: string;
  page_count: number;
  has_cookie: boolean;
}

/** Without a status, the conversation is safely on its way and its opening not yet confirmed. */
export interface Opened {
  conversation_id: string;
  status?: Status;
  position?: number | null;
}

export const getConfig = (siteKey: string) => call<Config>(`/api/v1/widget/config?site=${encodeURIComponent(siteKey)}`);

export const startVisit = (siteKey: string, page: Page, token: string, cookies_consent = false) =>
  call<Visit>("/api/v1/widget/visits", { method: "POST", body: { site_key: siteKey, page, cookies_consent }, token, hasCookies: true });

const post = (path: string, token: string, body: Record<string, unknown>) => call<unknown>(path, { method: "POST", token, body });

export const openConversation = (token: string, acknowledged_policy_version: string, answers: Answers | null, survey_version?: number) =>
  post("/api/v1/widget/conversations", token, { acknowledged_policy_version, ...(answers && { answers, survey_version }) }) as Promise<Opened>;

export const answerAfterwards = (token: string, conversationId: string, answers: Answers, survey_version: number) =>
  post(`${pathOf(conversationId)}/responses`, token, { answers, survey_version });

export const answerOffline = (token: string, acknowledged_policy_version: string, answers: Answers, survey_version: number | undefined, client_id: string) =>
  post("/api/v1/widget/offline-responses", token, { client_id, acknowledged_policy_version, answers, survey_version });

/** Says yes to the policy in force, which took effect since the conversation was opened. */
export const acknowledgePolicy = (token: string, conversationId: string, version: string) =>
  call<{ policy_version?: string }>(`${pathOf(conversationId)}/acknowledgements`, { method: "POST", token, body: { policy_version: version } });

export const closeConversation = (token: string, conversationId: string) =>
  post(`${pathOf(conversationId)}/close`, token, {});

export interface Erasure {
  reason: "minor" | "asked";
  status: "running" | "completed";
  certificate: string;
}

/** Everything there is of the visitor. */
export const getCopy = (token: string) => call<unknown>("/api/v1/widget/copy", { token, timeoutMs: 60_000 });

export const askErasure = (token: string) => call<Erasure>("/api/v1/widget/erasure", { method: "POST", body: {}, token });

export const getErasure = (token: string) => call<Erasure>("/api/v1/widget/erasure", { token });

/** What a connection needs, with the visitor's token. */
export function visitorTransport(token: string): Transport {
  return {
    self: { kind: "visitor", id: "", name: "" },
    ticket: () => call("/api/v1/widget/tickets", { method: "POST", body: {}, token }),
    history: (conversationId, after, waitS, signal) =>
      call(`${pathOf(conversationId)}/messages?after=${after}&wait=${waitS}`, { token, signal, timeoutMs: (waitS + 15) * 1_000 }),
    post: async (conversationId, clientId, text) => {
      const posted = await call<{ seq?: number; message_id: string; sent_at: string }>(`${pathOf(conversationId)}/messages`, {
        method: "POST",
        body: { client_id: clientId, text },
        token,
      });
      return posted?.seq === undefined ? null : { ...posted, seq: posted.seq };
    },
  };
}

export const getConversation = (token: string, conversationId: string) =>
  call<{ status: Status; operator: Person | null; position: number | null; acknowledged_policy_version: string }>(pathOf(conversationId), { token });

export const getHistory = (token: string, conversationId: string) =>
  call<History>(`${pathOf(conversationId)}/messages?after=0`, { token });

function pathOf(conversationId: string): string {
  return `/api/v1/widget/conversations/${encodeURIComponent(conversationId)}`;
}
