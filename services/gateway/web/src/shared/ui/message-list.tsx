import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Outgoing } from "../conversation-log";
import type { Message, Sender, SenderKind } from "../frames";
import { Button } from "./button";
import { Moment } from "./times";

interface MessageListProps {
  messages: readonly Message[];
  outgoing?: readonly Outgoing[];
  /** Whose words stand at the right. Without an id: everybody's of that kind. */
  own: { kind: SenderKind; id?: string };
  nameOf: (sender: Sender) => string;
  /** Given where one can write. */
  onRetry?: (clientId: string) => void;
  /** Whether messages reach the server just now. */
  isUp?: boolean;
  testId?: string;
  /** What stands there while nothing has been said; the log is there from the start, so that its first message is announced. */
  empty?: string;
}

/** How far from the end still counts as reading the end. */
const NEAR_PX = 80;
const SAME_BREATH_MS = 5 * 60_000;

/** What is shown of a message, whether the server has it yet or not. */
interface Item {
  key: string;
  sender: Sender;
  isOwn: boolean;
  seq?: number;
  text: string;
  at: string;
  state: "sending" | "sent" | "failed";
  isLate: boolean;
  reason: string;
}

export function MessageList({ messages, outgoing = [], own, nameOf, onRetry, isUp = true, testId = "message", empty = "" }: MessageListProps) {
  const { ref, isBehind, follow, onScroll } = useEndInView(messages.length, outgoing.length, onRetry !== undefined);
  const items = [...messages.map((message) => said(message, own)), ...outgoing.map((item) => unsent(item, own))];
  return (
    <div class="log">
      <div class="log-scroll" ref={ref} onScroll={onScroll} role="log" aria-live="polite" aria-relevant="additions" aria-label="Messages" tabIndex={0}>
        {items.length === 0 && <p class="log-empty">{empty}</p>}
        <ol class="messages">
          {items.map((item, index) => (
            <Entry
              key={item.key}
              item={item}
              isFirst={!continues(items[index - 1], item)}
              name={item.isOwn && onRetry ? "You" : nameOf(item.sender)}
              testId={testId}
              isUp={isUp}
              onRetry={onRetry}
            />
          ))}
        </ol>
      </div>
      {isBehind && (
        <Button look="quiet small to-latest" onClick={follow}>
          New messages
        </Button>
      )}
    </div>
  );
}

function said({ client_id, message_id, sender, seq, text, sent_at }: Message, own: MessageListProps["own"]): Item {
  const isOwn = sender.kind === own.kind && (own.id === undefined || own.id === sender.id);
  return { key: client_id || message_id, sender, isOwn, seq, text, at: sent_at, state: "sent", isLate: false, reason: "" };
}

function unsent({ client_id, text, written_at, state, is_late = false, reason }: Outgoing, { kind, id = "" }: MessageListProps["own"]): Item {
  return { key: client_id, sender: { kind, id, name: "" }, isOwn: true, text, at: written_at, state, isLate: is_late, reason };
}

interface EntryProps {
  item: Item;
  isFirst: boolean;
  name: string;
  testId: string;
  isUp: boolean;
  onRetry: ((clientId: string) => void) | undefined;
}

/** One component from *sending* to *sent*: the element stays, so that a screen reader hears the words once. */
function Entry({ item, isFirst, name, testId, isUp, onRetry }: EntryProps) {
  const look = item.sender.kind === "system" ? "system" : item.isOwn ? "own" : "";
  const isNamed = isFirst && name !== "You" && look !== "system";
  return (
    <li class={`message ${look} ${isFirst ? "first" : ""}`} data-testid={testId} data-seq={item.seq} data-state={item.state} data-sender={item.sender.kind}>
      <span class={isNamed ? "sender" : "visually-hidden"}>
        {name}
        {!isNamed && ": "}
      </span>
      <div class="words" data-testid="message-text">
        {item.text}
      </div>
      <div class={`meta ${item.state}`}>
        {item.state !== "failed" && <Moment at={item.at} />}
        {item.isOwn && onRetry && <Delivery item={item} isUp={isUp} onRetry={onRetry} />}
      </div>
    </li>
  );
}

function Delivery({ item, isUp, onRetry }: { item: Item; isUp: boolean; onRetry: (clientId: string) => void }) {
  if (item.state === "sent") return <span>Sent</span>;
  if (item.state === "sending") return <span>{isUp && !item.isLate ? "Sending…" : "Not sent yet, trying again"}</span>;
  return (
    <>
      <span role="alert">Not sent. {item.reason}</span>
      <button type="button" class="link" data-testid="retry" onClick={() => onRetry(item.key)}>
        Try again
      </button>
    </>
  );
}

/** Keeps the newest message in view for those who read at the end, and leaves others where they are. A record starts at its start. */
function useEndInView(messages: number, outgoing: number, isFollowed: boolean) {
  const ref = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(isFollowed);
  const [isBehind, setBehind] = useState(false);
  const follow = () => {
    const list = ref.current;
    if (list) list.scrollTop = list.scrollHeight;
    isAtEnd.current = true;
    setBehind(false);
  };
  const onScroll = () => {
    const list = ref.current;
    if (!list) return;
    isAtEnd.current = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_PX;
    if (isAtEnd.current) setBehind(false);
  };
  useLayoutEffect(() => {
    if (isAtEnd.current) follow();
    else setBehind(isFollowed);
  }, [messages]);
  useLayoutEffect(() => {
    if (outgoing > 0) follow();
  }, [outgoing]);
  return { ref, isBehind, follow, onScroll };
}

function continues(previous: Item | undefined, { sender, isOwn, at }: Item): boolean {
  const isSameSender = previous?.sender.kind === sender.kind && previous.sender.id === sender.id;
  const isOurs = isOwn && previous?.isOwn && (sender.id === "" || previous.sender.id === "");
  if (!previous || !(isSameSender || isOurs)) return false;
  return Date.parse(at) - Date.parse(previous.at) < SAME_BREATH_MS;
}
