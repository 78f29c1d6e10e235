import { useRef, useState } from "preact/hooks";

import type { Connection } from "../shared/connection";
import type { ConversationLog } from "../shared/conversation-log";
import { type Sender, isOver } from "../shared/frames";
import { isUp } from "../shared/line";
import { useObservable } from "../shared/observable";
import { Button } from "../shared/ui/button";
import { Composer } from "../shared/ui/composer";
import { Confirm } from "../shared/ui/confirm";
import { ConnectionLine } from "../shared/ui/connection-line";
import { MessageList } from "../shared/ui/message-list";
import type { Chat } from "./chat";
import { OwnDataLink } from "./own-data";

interface ConversationProps {
  chat: Chat;
  log: ConversationLog;
  connection: Connection;
}

export function Conversation({ chat, log, connection }: ConversationProps) {
  const { messages, outgoing, status, operator } = useObservable(log.view);
  const line = useObservable(connection.state);
  const isClosed = isOver(status);
  return (
    <>
      <ConnectionLine connection={connection} isSilent={isClosed} />
      <MessageList
        messages={messages}
        outgoing={outgoing}
        own={{ kind: "visitor" }}
        nameOf={(sender) => nameOf(sender, operator?.name)}
        onRetry={(clientId) => chat.retry(clientId)}
        isUp={isUp(line)}
        empty={isClosed ? "Nothing was said in this conversation." : "Write your first message below. You need not wait until somebody is here."}
      />
      {isClosed ? <Ended chat={chat} /> : <Writing chat={chat} />}
    </>
  );
}

function Writing({ chat }: { chat: Chat }) {
  const [isClosing, setClosing] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  // The visitor has just pressed start, or opened the panel on a running conversation.
  const isFocused = useRef(document.hasFocus()).current;
  const close = async () => {
    setClosing(false);
    setProblem(await chat.close());
  };
  return (
    <>
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      <Composer label="Write a message" onSend={(text) => chat.send(text)} isFocused={isFocused} />
      <div class="under">
        <button type="button" class="link" data-testid="close" onClick={() => setClosing(true)}>
          End conversation
        </button>
        <OwnDataLink chat={chat} />
      </div>
      {isClosing && (
        <Confirm
          title="End this conversation?"
          detail="Nothing more can be written in it afterwards."
          yes="End it"
          no="Go on talking"
          onYes={close}
          onNo={() => setClosing(false)}
        />
      )}
    </>
  );
}

function Ended({ chat }: { chat: Chat }) {
  return (
    <div class="ended" data-testid="ended">
      <p role="status">This conversation has ended.</p>
      <Button look="quiet" data-testid="start-again" onClick={() => chat.startAgain()}>
        Start a new conversation
      </Button>
      <OwnDataLink chat={chat} />
    </div>
  );
}

/** Who answers, or where in the queue the visitor is. */
export function Standing({ log }: { log: ConversationLog }) {
  const { status, operator, position, messages } = useObservable(log.view);
  const name = operator?.name || messages.findLast(({ sender }) => sender.kind === "operator")?.sender.name;
  return (
    <p class="standing" role="status" data-testid="standing" data-status={status}>
      {status === "queued" && waiting(position)}
      {status === "active" && (name ? `You are talking with ${name}` : "Somebody is here for you")}
      {isOver(status) && "Ended"}
    </p>
  );
}

function waiting(position: number | null): string {
  if (position === null) return "Waiting for somebody to answer";
  return position <= 1 ? "You are next in line" : `You are number ${position} in line`;
}

function nameOf({ kind, name }: Sender, operatorName: string | undefined): string {
  if (kind === "system") return "Notice";
  return name || operatorName || "Support";
}
