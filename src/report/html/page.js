"use strict";
// Keys: j and k go from host to host, o opens or closes, f goes to the next failure, e opens all, t changes the theme.
const hosts = () => [...document.querySelectorAll("details.host")];
const failures = () => [...document.querySelectorAll("details.bad")];
const go = (list, by) => {
  if (!list.length) return;
  const at = list.findIndex((one) => one.contains(document.activeElement));
  const next = list[Math.min(list.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : list.length - 1) : at + by))];
  for (let open = next.parentElement.closest("details"); open; open = open.parentElement.closest("details")) open.open = true;
  next.querySelector("summary").focus();
  next.scrollIntoView({ block: "nearest" });
};
const theme = () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
};
const all = () => {
  const open = hosts().some((host) => !host.open);
  document.querySelectorAll("details").forEach((one) => (one.open = open));
};
const keys = {
  j: () => go(hosts(), 1),
  k: () => go(hosts(), -1),
  f: () => { const list = failures(); go(list, 1); list.forEach((one) => { if (one.contains(document.activeElement)) one.open = true; }); },
  o: () => { const one = document.activeElement.closest("details"); if (one) one.open = !one.open; },
  e: all,
  t: theme,
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  keys[event.key]();
  event.preventDefault();
});
document.getElementById("theme").addEventListener("click", theme);
document.getElementById("all").addEventListener("click", all);
const reveal = () => {
  const one = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let open = one; open; open = open.parentElement.closest("details")) open.open = true;
};
addEventListener("hashchange", reveal);
reveal();
