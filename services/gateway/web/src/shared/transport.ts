import type { Message, Sender, Status } from "./frames";

export interface History {
  messages: Message[];
  last_seq: number;
  status: Status;
}

export interface PostedMessage {
  seq: number;
  message_id: string;
  sent_at: string;
}

/** The calls a line needs from HTTP: the same module serves visitors and operators. */
export interface Transport {
  readonly self: Sender;
  ticket(): Promise<{ ticket: string }>;
  /** Messages after a seq; waits up to so many seconds for news before it answers. */
  history(conversationId: string, after: number, waitS: number, signal: AbortSignal): Promise<History>;
  /** Null when the message was accepted and is not confirmed yet. */
  post(conversationId: string, clientId: string, text: string): Promise<PostedMessage | null>;
}
