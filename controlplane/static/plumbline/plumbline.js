// What a page can't do by itself: the viewer's own time zone, and keeping what is open while a part refreshes itself.
(() => {
  "use strict";

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const seconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const moment = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });

  function localise(root) {
    for (const element of root.querySelectorAll("time.pl-when, time.pl-ago")) {
      const at = new Date(element.dateTime);
      element.title = moment.format(at) + " · " + at.toISOString().replace("T", " ").replace(".000Z", " UTC");
      const absolute = element.querySelector(".pl-when-absolute");
      if (absolute) absolute.textContent = moment.format(at);
    }
    for (const element of root.querySelectorAll("[data-clock]")) {
      const precise = element.textContent.split(":").length > 2;
      const dated = element.textContent.includes(",");
      element.textContent = (dated ? day : precise ? seconds : clock).format(new Date(element.dataset.clock));
    }
  }

  let open = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    open = [...event.detail.target.querySelectorAll("details[open][id]")].map((element) => element.id);
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    localise(document);
  });

  // A link that takes along what is typed in a form: limits that are tried out before they are saved.
  function takeAlong(event) {
    const link = event.target.closest?.("a[data-typed-in]");
    const form = link && document.querySelector(link.dataset.typedIn);
    if (!form) return;
    const url = new URL(link.href);
    for (const [name, value] of new FormData(form)) {
      const isTried = name.startsWith("limit_") || ["for_seconds", "window_seconds", "model"].includes(name);
      if (isTried && value) url.searchParams.set(name, value);
      else if (isTried) url.searchParams.delete(name);
    }
    link.href = url;
  }
  document.addEventListener("click", takeAlong);
  document.addEventListener("auxclick", takeAlong);

  // A part that can't be refreshed says so instead of looking fresh.
  function stale(event, isStale) {
    const part = event.target.closest?.("[data-refreshes]");
    if (!part) return;
    part.classList.toggle("pl-stale", isStale);
    const note = document.getElementById(part.dataset.refreshes);
    if (note) note.hidden = !isStale;
  }
  document.addEventListener("htmx:sendError", (event) => stale(event, true));
  document.addEventListener("htmx:responseError", (event) => stale(event, true));
  document.addEventListener("htmx:timeout", (event) => stale(event, true));
  document.addEventListener("htmx:afterOnLoad", (event) => stale(event, false));

  document.addEventListener("DOMContentLoaded", () => localise(document));
  if (document.readyState !== "loading") localise(document);
})();
