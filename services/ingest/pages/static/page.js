// What HTML cannot do by itself: copy, say that the connection is lost, go to a line. Everything works without it.
"use strict";

function say(button, text) {
  const before = button.dataset.before ?? button.textContent;
  button.dataset.before = before;
  button.textContent = text;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => { button.textContent = before; }, 2000);
}

function select(element) {
  getSelection().selectAllChildren(element);
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    say(button, "Copied");
  } catch {
    // Without a secure context there is no clipboard: the text is selected, ready for the reader's own keys.
    select(source);
    say(button, "Selected");
  }
}

function goTo(line) {
  const text = document.getElementById("yaml");
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
  text.scrollTop = (line - 4) * (text.scrollHeight / lines.length);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  const place = event.target.closest("[data-line]");
  if (button) copy(button);
  if (place) {
    event.preventDefault();
    goTo(Number(place.dataset.line));
  }
});

const connection = () => document.getElementById("connection");
document.addEventListener("htmx:sseError", () => { connection().hidden = false; });
document.addEventListener("htmx:sseOpen", () => { connection().hidden = true; });
