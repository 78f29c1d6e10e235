import type { Page, PageNote, SizeNote } from "../shared/embedding";

const LAUNCHER = { width: 76, height: 76 };
const PANEL = { width: 400, height: 640 };
const LONGEST = 2_048;

/** The customer's page around the frame: it is told how much room we want, and tells where the visitor is. */
export class Host {
  #page: Page | null = null;
  #origin: string | null;
  #size: SizeNote | null = null;
  /** Called when the page around the frame tells where the visitor is. */
  onPage = () => {};

  constructor(private readonly window: Window) {
    this.#origin = originOfParent(window);
    window.addEventListener("message", (event) => this.#hear(event));
  }

  /** The frame was opened as a page of its own, without a customer's page around it. */
  get isAbsent(): boolean {
    return this.window.parent === this.window;
  }

  get currentPage(): Page {
    const { document, location } = this.window;
    return this.#page ?? { url: document.referrer || location.origin, title: "", referrer: "" };
  }

  /** Asks for the room of the open panel, or of the launcher and what is beside it. */
  resize(isOpen: boolean, room = isOpen ? PANEL : LAUNCHER): void {
    this.#size = { velaro: 1, type: "size", is_open: isOpen, ...room };
    this.#tell();
  }

  #tell(): void {
    if (this.isAbsent || !this.#origin || !this.#size) return;
    this.window.parent.postMessage(this.#size, this.#origin);
  }

  #hear({ source, origin, data }: MessageEvent): void {
    if (this.isAbsent || source !== this.window.parent || !isPageNote(data)) return;
    // The browser let only this site's origins frame us; which of them it is, is settled once.
    const isFirst = this.#origin === null;
    this.#origin ??= origin;
    if (origin !== this.#origin) return;
    this.#page = data.page;
    if (isFirst) this.#tell();
    this.onPage();
  }
}

function originOfParent({ location, document }: Window): string | null {
  const ancestor = location.ancestorOrigins?.[0];
  if (ancestor) return ancestor;
  try {
    return new URL(document.referrer).origin;
  } catch {
    return null;
  }
}

function isPageNote(data: unknown): data is PageNote {
  if (typeof data !== "object" || data === null) return false;
  const { velaro, type, page } = data as Partial<PageNote>;
  return velaro === 1 && type === "page" && typeof page === "object" && page !== null && [page.url, page.title, page.referrer].every(isShort);
}

function isShort(value: unknown): boolean {
  return typeof value === "string" && value.length <= LONGEST;
}
