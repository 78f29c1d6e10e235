import "./console.css";

import { h, render } from "preact";

import { App } from "./app";
import { watchRoute } from "./route";

render(h(App, { route: watchRoute() }), document.getElementById("app") as HTMLElement);
