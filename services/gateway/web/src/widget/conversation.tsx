import { useRef, useState } from "preact/hooks";

import type { Connection } from "../shared/connection";
import type { ConversationLog } from "../shared/conversation-log";
import { type Sender, isOver } from "../shared/frames";
import { isUp } from "../shared/line";
import { useObservable } from "../shared/observable";
import type { Survey } from "../shared/survey";
import { Button } from "../shared/ui/button";
import { Composer } from "../shared/ui/composer";
import { ConnectionLine } from "../shared/ui/connection-line";
import { MessageList } from "../shared/ui/message-list";
import type { Config } from "./api";
import type { Chat } from "./chat";
import { takeFocus } from "./focus";
import { Notice } from "./notice";
import { OnDemand } from "./on-demand";
import { OwnDataLink } from "./own-data-link";
import { SurveyForm } from "./survey-form";

const confirm = () => import("../shared/ui/confirm").then(({ Confirm }) => Confirm);

interface ConversationProps {
  chat: Chat;
  config: Config | null;
  log: ConversationLog;
  connection: Connection;
}

export function Conversation({ chat, config, log, connection }: ConversationProps) {
  const isAsking = useObservable(chat.isAsking);
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
      {isClosed ? (
        <Ended chat={chat} survey={config?.surveys.post_chat ?? null} />
      ) : isAsking && config ? (
        <Changed chat={chat} config={config} />
      ) : (
        <Writing chat={chat} log={log} />
      )}
    </>
  );
}

function Writing({ chat, log }: { chat: Chat; log: ConversationLog }) {
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
      <Composer label="Write a message" log={log} onSend={(text) => chat.send(text)} isFocused={isFocused} />
      <div class="under">
        <button type="button" class="link" data-testid="close" onClick={() => setClosing(true)}>
          End conversation
        </button>
        <OwnDataLink chat={chat} />
      </div>
      {isClosing && (
        <OnDemand
          load={confirm}
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

/** The policy changed: the notice stands before the next message as it stood before the first. */
function Changed({ chat, config }: { chat: Chat; config: Config }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const acknowledge = async () => {
    setBusy(true);
    const refused = await chat.acknowledge(config.policy.version);
    setBusy(false);
    setProblem(refused);
  };
  return (
    <div class="changed" data-testid="policy-changed">
      <p role="status">Our privacy policy has changed. Please read the notice before you go on.</p>
      <Notice config={config} />
      {problem && (
        <p class="note problem" role="alert">
          {problem}
        </p>
      )}
      <Button look="wide" data-testid="acknowledge-again" data-policy-version={config.policy.version} isBusy={isBusy} onClick={acknowledge}>
        I have read it
      </Button>
    </div>
  );
}

/** After the end: what the site wants to know, if it does, and the way back. */
function Ended({ chat, survey }: { chat: Chat; survey: Survey | null }) {
  const [isAsked, setAsked] = useState(!chat.isAnswered);
  const skip = () => {
    chat.setAnswered();
    setAsked(false);
  };
  if (survey && isAsked) {
    return (
      <SurveyForm
        survey={survey}
        button="Send"
        testId="send-answers"
        onSend={async (answers) => {
          const refused = await chat.answer(answers, survey.version);
          setAsked(Boolean(refused));
          return refused;
        }}
      >
        <p role="status" tabIndex={-1} ref={takeFocus}>
          This conversation has ended. May we ask you something?
        </p>
        <button type="button" class="link" data-testid="skip-answers" onClick={skip}>
          No, thank you
        </button>
      </SurveyForm>
    );
  }
  return (
    <div class="ended" data-testid="ended">
      <p role="status" tabIndex={-1} ref={takeFocus}>
        {survey ? "Thank you. This conversation has ended." : "This conversation has ended."}
      </p>
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
