import type { Page } from "../shared/embedding";
import type { Person, Status } from "../shared/frames";
import { call } from "../shared/http";
import type { History, Transport } from "../shared/line";
import type { Survey } from "../shared/survey";

export interface Config {
  site: { name?: string };
  online: boolean;
  texts: { greeting?: string };
  theme: { color?: string };
  surveys: { pre_chat: Survey | null };
  notice: string;
  policy: { version: string; effective_at: string; text: string; upcoming: { version: string; effective_at: string } | null };
}

export interface Visit {
  visitor_token: string;
  visit_id: string;
}

/** Without a status, the conversation is safely on its way and its opening not yet confirmed. */
export interface Opened {
  conversation_id: string;
  status?: Status;
  position?: number | null;
}

export type AnswerValue = string | number;

export const getConfig = (siteKey: string) => call<Config>(`/api/v1/widget/config?site=${encodeURIComponent(siteKey)}`, { token: "" });

export const startVisit = (siteKey: string, page: Page, token: string) =>
  call<Visit>("/api/v1/widget/visits", { method: "POST", body: { site_key: siteKey, page, cookies_consent: false }, token });

export const openConversation = (token: string, acknowledgedPolicyVersion: string, answers: Record<string, AnswerValue> | null) =>
  call<Opened>("/api/v1/widget/conversations", {
    method: "POST",
    token,
    body: { acknowledged_policy_version: acknowledgedPolicyVersion, ...(answers && { answers }) },
  });

export const closeConversation = (token: string, conversationId: string) =>
  call<unknown>(`${pathOf(conversationId)}/close`, { method: "POST", body: {}, token });

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
  call<{ status: Status; operator: Person | null; position: number | null }>(pathOf(conversationId), { token });

export const getHistory = (token: string, conversationId: string) =>
  call<History>(`${pathOf(conversationId)}/messages?after=0`, { token });

function pathOf(conversationId: string): string {
  return `/api/v1/widget/conversations/${encodeURIComponent(conversationId)}`;
}
