import "./widget.css";

import { h, render } from "preact";

import { App } from "./app";
import { Chat } from "./chat";
import { Host } from "./host";
import { Memory } from "./memory";

const siteKey = new URLSearchParams(location.search).get("site") ?? "";
const host = new Host(window);
// Reaching for the storage throws where the browser refuses it to frames: only when it is needed, and guarded.
const chat = new Chat(siteKey, host, new Memory(siteKey, () => sessionStorage));

document.documentElement.classList.toggle("standalone", host.isAbsent);
render(h(App, { chat }), document.getElementById("app") as HTMLElement);
void chat.begin();
