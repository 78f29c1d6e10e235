/** What crosses the socket, as the public edge fixes it (version 1). */

import { type Fields, fieldsOf } from "./fields";

export type SenderKind = "visitor" | "operator" | "system";
export type Status = "queued" | "active" | "closed" | "erased";

const RANK: Record<Status, number> = { queued: 0, active: 1, closed: 2, erased: 3 };

/** Nothing more is said in the conversation. */
export function isOver(status: Status): boolean {
  return status === "closed" || status === "erased";
}

/** A conversation only moves forward; what says otherwise was overtaken on its way. */
export function isOvertaken(status: Status, known: Status): boolean {
  return RANK[status] < RANK[known];
}

export interface Sender {
  kind: SenderKind;
  id: string;
  name: string;
}

export interface Person {
  id: string;
  name: string;
}

export interface LastMessage {
  seq: number;
  sender: Sender;
  text: string;
  sent_at: string;
}

/** What one message may hold at most. */
export const MOST_TEXT = 4_000;

export interface Message {
  seq: number;
  message_id: string;
  client_id: string;
  sender: Sender;
  text: string;
  sent_at: string;
}

export interface MessageFrame extends Message {
  type: "message";
  conversation_id: string;
}

export interface ReadyFrame {
  type: "ready";
  conversations: { conversation_id: string; status: Status; last_seq: number }[];
  heartbeat_s: number;
}

export interface RejectedFrame {
  type: "rejected";
  /** Null when the frame refused was no message. */
  client_id: string | null;
  code: string;
  detail: string;
  conversation_id?: string;
}

export interface ConversationFrame {
  type: "conversation";
  conversation_id: string;
  status: Status;
  operator?: Person | null;
  position?: number | null;
  last_seq?: number;
  last_message?: LastMessage;
  visitor?: Person;
  site_id?: string;
  department?: string | null;
  opened_at?: string;
  accepted_at?: string;
  closed_at?: string;
}

export type ServerFrame = MessageFrame | ReadyFrame | RejectedFrame | ConversationFrame | { type: "other" };

export type ClientFrame =
  | { type: "auth"; ticket: string }
  | { type: "message"; conversation_id: string; client_id: string; text: string }
  | { type: "sync"; conversation_id: string; after: number };

/** The frame, or null when it is not one. A type this client does not know becomes `other`: newer servers may say more. */
export function parseFrame(data: unknown): ServerFrame | null {
  const fields = fieldsOf(data);
  if (!fields || typeof fields.type !== "string") return null;
  switch (fields.type) {
    case "ready":
      return isReady(fields) ? (fields as unknown as ReadyFrame) : null;
    case "message":
      return isMessage(fields) && isText(fields.conversation_id) ? (fields as unknown as MessageFrame) : null;
    case "rejected":
      return (isText(fields.client_id) || fields.client_id === null) && isText(fields.code) ? (fields as unknown as RejectedFrame) : null;
    case "conversation":
      return isText(fields.conversation_id) && isStatus(fields.status) ? (fields as unknown as ConversationFrame) : null;
    default:
      return { type: "other" };
  }
}

function isReady(fields: Fields): boolean {
  return Array.isArray(fields.conversations);
}

function isMessage(fields: Fields): boolean {
  const sender = fields.sender as Fields | undefined;
  return Number.isInteger(fields.seq) && isText(fields.text) && isText(sender?.kind);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isStatus(value: unknown): value is Status {
  return typeof value === "string" && Object.hasOwn(RANK, value);
}
