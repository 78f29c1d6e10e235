import { useRef, useState } from "preact/hooks";

import { newId } from "../shared/ids";
import type { Config } from "./api";
import type { Chat } from "./chat";
import { takeFocus } from "./focus";
import { OwnDataLink } from "./own-data-link";
import { SurveyForm } from "./survey-form";

/** The notice with the policy in force, the survey, and the button. Before this is sent, nothing is asked for or stored. */
export function Start({ chat, config }: { chat: Chat; config: Config }) {
  const { surveys, texts, online } = config;
  if (!online && surveys.offline) return <Offline chat={chat} config={config} />;
  const survey = surveys.pre_chat;
  return (
    <SurveyForm
      survey={survey}
      config={config}
      button="Start the chat"
      testId="start"
      foot={chat.token && <OwnDataLink chat={chat} />}
      onSend={(answers, version) => chat.start(version, survey && answers, survey?.version)}
    >
      <p class="greeting" tabIndex={-1} ref={takeFocus}>
        {texts.greeting || "Hello. How can we help?"}
      </p>
      {!online && <p class="note warning">Nobody is here right now. You can write to us; we answer as soon as somebody is back.</p>}
    </SurveyForm>
  );
}

/** Nobody is there to talk, and the site asks for something else instead. */
function Offline({ chat, config }: { chat: Chat; config: Config }) {
  const [isSent, setSent] = useState(false);
  // However often this form is sent, it is one response.
  const clientId = useRef(newId()).current;
  const survey = config.surveys.offline;
  if (isSent) {
    return (
      <p class="panel-middle" role="status" data-testid="offline-sent">
        Thank you. We have your answers.
      </p>
    );
  }
  return (
    <SurveyForm
      survey={survey}
      config={config}
      button="Send"
      testId="send-offline"
      foot={chat.token && <OwnDataLink chat={chat} />}
      onSend={async (answers, version) => {
        const refused = await chat.leave(version, answers, survey?.version, clientId);
        setSent(!refused);
        return refused;
      }}
    >
      <p class="greeting" tabIndex={-1} ref={takeFocus}>
        Nobody is here right now. Leave us a few words instead.
      </p>
    </SurveyForm>
  );
}
