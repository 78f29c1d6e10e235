import { embed } from "./embed";

const script = document.currentScript;

function start(): void {
  if (script instanceof HTMLScriptElement) embed(script, window);
}

if (document.body) start();
else document.addEventListener("DOMContentLoaded", start);
