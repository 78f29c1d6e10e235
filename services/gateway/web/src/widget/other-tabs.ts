import type { ChannelLike } from "../shared/shared-line";

/** A conversation under way, and the secret that goes with it. */
export interface Talk {
  token: string;
  conversation_id: string;
}

/**
 * The visitor's other tabs on this site. A tab that opens asks whether one of them is in a conversation, to show the
 * same; that needs no storage. Browsers keep such channels within our origin and within the site around the frame.
 */
export class OtherTabs {
  #channel: ChannelLike | null = null;

  constructor(
    private readonly siteKey: string,
    private readonly openChannel: (name: string) => ChannelLike = (name) => new BroadcastChannel(name),
  ) {}

  /** Answers for the conversation of this tab from now on, and hears of others'. */
  ask(ours: () => Talk | null, onTalk: (talk: Talk) => void): void {
    try {
      this.#channel = this.openChannel(`velaro.site.${this.siteKey}`);
    } catch {
      // Refused: this tab is on its own.
      return;
    }
    this.#channel.onmessage = ({ data }) => {
      const talk = data === null ? ours() : null;
      if (talk) this.tell(talk);
      if (data !== null) onTalk(data as Talk);
    };
    this.#channel.postMessage(null);
  }

  tell(talk: Talk): void {
    this.#channel?.postMessage(talk);
  }
}
