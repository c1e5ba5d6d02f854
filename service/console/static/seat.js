// What an open page does by itself: it says that it is there, hears what happens to its place, and keeps its live parts fresh.
// Every page works without it. Its words come from the page, in the reader's language.

const BEAT_EVERY = 30_000;
const TRY_AGAIN = 3_000;
const { session, token } = document.body.dataset;
// A form that the browser itself has sent: its answer is the next page, whatever happens to the session meanwhile.
let sending = false;
const byId = (id) => document.getElementById(id);
const pageOf = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

// Whoever was in the part stays there, or goes to where the page begins.
function swap(part, now) {
  if (now.innerHTML === part.innerHTML) return;
  const focused = part.contains(document.activeElement) && document.activeElement.id;
  part.replaceChildren(...now.childNodes);
  if (focused !== false) (byId(focused) ?? byId("main")).focus();
}

// The server takes its time to answer: browsers slow down the clocks of pages that nobody sees. A form asks with what is in it; its
// page was posted itself, and is left as it is when there is nothing to follow any more.
async function follow(path) {
  for (;;) {
    try {
      const form = document.querySelector("form[data-live]");
      const answer = await fetch(path, form ? { method: "POST", body: new URLSearchParams(new FormData(form)) } : {});
      if (answer.status >= 500) throw new Error("away");
      const fresh = await pageOf(answer);
      const parts = [...document.querySelectorAll("[data-part]")];
      if (!parts.every(({ id }) => fresh.getElementById(id))) return form || location.reload();
      for (const part of parts) swap(part, fresh.getElementById(part.id));
      document.title = fresh.title;
    } catch {
      await new Promise((done) => setTimeout(done, TRY_AGAIN));
    }
  }
}

// Who asks for this place? To read it keeps nobody at work.
async function look() {
  const answer = await fetch("/asked", { redirect: "manual" }).catch(() => null);
  const now = answer?.ok && (await pageOf(answer)).getElementById("asked");
  if (now) swap(byId("asked"), now);
}

function say(id, text) {
  const words = byId(id).content.cloneNode(true);
  for (const gap of words.querySelectorAll("[data-gap]")) gap.textContent = text;
  byId("told").replaceChildren(words);
}

function count(numbers) {
  const line = byId("places");
  if (!line?.dataset.text) return;
  line.textContent = line.dataset.text.replace(/\{(\w+)\}/g, (_, name) => numbers[name]);
  const meter = line.nextElementSibling;
  meter.max = Math.max(numbers.seats, numbers.in_use, 1);
  meter.high = numbers.seats - 0.5;
  meter.value = numbers.in_use;
}

const hear = {
  ended({ sign_in }) {
    if (sending) return;
    const { pathname, search } = new URL(sign_in);
    location.assign(pathname + search);
  },
  seat_requested: look,
  seat_request_over: look,
  seat_taken({ by }) {
    look();
    say(by ? "place-given" : "place-taken", by);
  },
  seat_offered({ until }) {
    say("place-offered", new Date(until).toLocaleTimeString(document.documentElement.lang, { hourCycle: "h23" }));
  },
  seats: count,
};

// One stream for all pages of this session in the browser: whoever has the lock listens, and passes on what it hears.
function listen() {
  const name = `portillon ${session}`;
  const began = performance.now();
  const leaving = new AbortController(), { signal } = leaving;
  const channel = navigator.locks && window.BroadcastChannel ? new BroadcastChannel(name) : null;

  const open = () => {
    const source = new EventSource("/events");
    const close = () => source.close();
    signal.addEventListener("abort", close);
    for (const kind of Object.keys(hear)) {
      source.addEventListener(kind, ({ data }) => {
        if (kind === "ended") close();
        channel?.postMessage([kind, JSON.parse(data)]);
        hear[kind](JSON.parse(data));
      });
    }
    // One that was refused stays closed.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED && !signal.aborted) setTimeout(open, BEAT_EVERY);
    });
    // Whoever takes over from a page that was closed may have missed something.
    if (performance.now() - began > TRY_AGAIN) look();
  };

  if (channel) {
    channel.onmessage = ({ data: [kind, data] }) => hear[kind](data);
    const untilLeft = () => new Promise((free) => {
      signal.addEventListener("abort", free);
      open();
    });
    navigator.locks.request(name, { signal }, untilLeft).catch(() => {});
    signal.addEventListener("abort", () => channel.close());
  } else {
    open();
  }
  return leaving;
}

// From now until the page is left. One that comes back from the browser's memory is another page.
function begin() {
  const page = crypto.randomUUID();
  sending = false;
  const body = (closing) => new URLSearchParams({ form_token: token, page, closing });
  const leaving = listen(), { signal } = leaving;
  const beat = async () => {
    const sent = { method: "POST", body: body(""), redirect: "manual" };
    const answer = await fetch("/heartbeat", sent).catch(() => null);
    // The page to sign in says why.
    if (answer?.type === "opaqueredirect") location.assign("/login");
  };
  const beating = setInterval(beat, BEAT_EVERY);
  beat();
  look();
  document.addEventListener("visibilitychange", () => document.hidden || beat(), { signal });
  addEventListener("pagehide", () => {
    clearInterval(beating);
    leaving.abort();
    navigator.sendBeacon("/heartbeat", body("1"));
  }, { signal });
}

// An answer leaves the page as it is, and what is typed in it; but for a place that is given.
async function answer(event) {
  const { target, submitter } = event;
  if (target.getAttribute("action") !== "/asked") {
    sending = true;
    return;
  }
  event.preventDefault();
  const body = new URLSearchParams(new FormData(target));
  body.set("answer", submitter.value);
  const sent = await fetch("/asked", { method: "POST", body, redirect: "manual" }).catch(() => null);
  if (sent?.type !== "opaqueredirect") return location.assign("/asked");
  if (submitter.value === "release") return location.assign("/asked?after=release");
  await look();
  say("answered");
}

if (session) {
  begin();
  addEventListener("pageshow", ({ persisted }) => persisted && begin());
  document.addEventListener("submit", answer);
}
const live = document.querySelector("[data-live]")?.dataset.live;
if (live) follow(live);
