import { Connection, type ConnectionOptions } from "../shared/connection";
import { type ConversationFrame, isOver } from "../shared/frames";
import { Problem } from "../shared/problems";
import * as api from "./api";
import { Inbox } from "./inbox";

const REFRESH_MS = 60_000;
const SOON_MS = 5_000;

/** What one signed-in operator works with: a connection and the inbox it keeps current. */
export class Desk {
  readonly connection: Connection;
  readonly inbox: Inbox;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isOver = false;

  constructor(
    readonly operator: api.Operator,
    private readonly onSignedOut: () => void,
    connectionOptions: Partial<ConnectionOptions> = {},
  ) {
    this.connection = new Connection({ ...connectionOptions, name: `operator.${operator.operator_id}`, transport: api.operatorTransport(operator) });
    this.inbox = new Inbox(operator.operator_id, api);
  }

  start(): () => void {
    const endings = [
      this.connection.listen((frame) => {
        this.inbox.hear(frame);
        // Whatever happened while we were away is in the lists.
        if (frame.type === "ready") void this.refresh();
        if (frame.type === "conversation") this.letGo(frame);
      }),
      this.connection.state.subscribe((state) => state === "refused" && void this.checkSession()),
    ];
    this.connection.start();
    void this.refresh();
    return () => {
      this.isOver = true;
      for (const end of endings) end();
      clearTimeout(this.timer);
      this.inbox.stop();
      this.connection.stop();
    };
  }

  /** What has ended and is not on the screen: followed for ever, all of a day's work would be asked for after each reconnect. */
  private letGo({ conversation_id, status }: ConversationFrame): void {
    if (isOver(status) && !this.inbox.isOpened(conversation_id)) this.connection.unfollow(conversation_id);
  }

  /** The lists are read again now and then: they must not depend on a socket that may be dead without knowing. */
  private async refresh(): Promise<void> {
    await this.inbox.load();
    clearTimeout(this.timer);
    if (this.isOver) return;
    const isCurrent = this.connection.state.value === "live" && !this.inbox.view.value.problem;
    this.timer = setTimeout(() => void this.refresh(), isCurrent ? REFRESH_MS : SOON_MS);
  }

  /** The socket was refused: either the session is over, or it was only the ticket. */
  private async checkSession(): Promise<void> {
    try {
      const { operator } = await api.currentSession();
      if (this.isOver) return;
      if (operator.operator_id !== this.operator.operator_id) return this.onSignedOut();
    } catch (error) {
      // Whoever left has signed out already, or somebody else has signed in since.
      if (this.isOver) return;
      if (error instanceof Problem && error.status === 401) return this.onSignedOut();
    }
    setTimeout(() => this.connection.state.value === "refused" && this.connection.start(), SOON_MS);
  }
}
