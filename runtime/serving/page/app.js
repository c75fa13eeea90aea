// The live page: asks for the status once a second, and for the pictures of the tiles that are on the screen.
//
// Everything is a short request. Streams would be simpler, but a browser has six connections for a server, and nine
// tiles, or a few open pages, would use them up.

import { GroupChart, element, latencyBar, mergeWindows, sparkline, swatch } from "./charts.js";
import { RequestError, connection, getJson } from "./client.js";
import { duration, plural, rate, setText } from "./format.js";
import { Closeup, SourceList } from "./sources.js";

const STATUS_MS = 1000;
const HISTORY_MS = 5000;
const LONGEST_WAIT_MS = 5000;
const STAGES = {
  wait: "Wait for turn", decode: "Decode, in the wait", detect: "Detect", track: "Track", crop: "Crop",
  queue: "Wait for batch", classify: "Model", smooth: "Smooth", sink: "Output",
};
const NOTES = { none: "Only groups are kept: there are no pictures.", blurred: "Faces are blurred.", plain: "" };

const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const sourceList = new SourceList($("tiles"), $("empty"));
const closeup = new Closeup($("closeup"));
const groupChart = new GroupChart($("group"));
let groups = { labels: [], windows: [] };

function showGroups() {
  const names = new Map(groups.windows.map((window) => [window.source_id, window.source]));
  const choice = $("group-source");
  $("group-choice").hidden = names.size < 2;
  const wanted = JSON.stringify([...names]);
  if (choice.dataset.names !== wanted) {
    const chosen = choice.value;
    choice.replaceChildren(new Option("All sources", ""), ...[...names].map(([id, name]) => new Option(name, id)));
    choice.value = names.has(chosen) ? chosen : "";
    choice.dataset.names = wanted;
  }
  groupChart.update(mergeWindows(groups.windows, names.size < 2 ? [...names.keys()][0] : choice.value), groups.labels);
}
$("group-source").addEventListener("change", showGroups);

function showLoad(record) {
  const rows = [["Frames/s", record.frames_per_s, rate], ["Faces/s", record.faces_per_s, rate],
    ["Dropped/s", record.drops_per_s, rate], ["Age, p95", record.age_p95_s, duration]];
  $("load").replaceChildren(...rows.filter(([, values]) => values).map(([name, values, format]) =>
    element("div", { class: "load" }, [element("span", { class: "muted", text: name }),
      element("span", { class: "value", text: format(values.at(-1) ?? null) }), sparkline(values),
      element("span", { class: "muted", text: `max ${format(Math.max(...values.map((value) => value ?? 0)))}` })])));
}

function showLatency(status) {
  const ms = (seconds) => (seconds === null ? "–" : (1000 * seconds).toFixed(seconds < 0.0995 ? 1 : 0));
  const longest = Math.max(...status.stages.map((stage) => stage.p99_s ?? 0), 1e-6);
  $("latency").tBodies[0].replaceChildren(...status.stages.map((stage) => {
    const quantiles = [stage.p50_s, stage.p95_s, stage.p99_s];
    const bar = stage.count ? [latencyBar(quantiles, longest)] : [];
    return element("tr", {}, [element("th", { scope: "row", text: STAGES[stage.stage] ?? stage.stage }),
      ...quantiles.map((value) => element("td", { text: ms(value) })), element("td", { class: "bar" }, bar)]);
  }));
}

function showHeader(status) {
  const up = status.sources.filter((source) => source.state === "up").length;
  const faces = status.faces_per_s === null ? "" : ` · ${rate(status.faces_per_s)} faces/s`;
  setText($("summary"), `${up} of ${plural(status.sources.length, "source")} up · ${rate(status.frames_per_s)} frames/s${faces}`);
  const { model } = status;
  const hash = model?.sha256 ? `, ${model.sha256.slice(0, 8)}` : "";
  setText($("model"), [model && `${model.precision} on ${model.backend}${hash}`,
    `running ${duration(status.elapsed_s)}`].filter(Boolean).join(" · "));
  document.body.dataset.pictures = status.pictures;
  setText($("note"), NOTES[status.pictures]);
  const wanted = JSON.stringify(status.labels);
  if ($("legend").dataset.labels === wanted) return;
  $("legend").dataset.labels = wanted;
  $("legend").replaceChildren(...status.labels.map(({ name, color }) => element("li", {}, [swatch(color), name])));
}

function showConnection(problem) {
  connection.isUp = !problem;
  $("banner").hidden = connection.isUp;
  if (connection.isUp) return;
  setText($("banner"), problem.answered === 401
    ? "The token is not known here any more. Load the page again to sign in."
    : "No connection to the server: what is shown here is old. Trying again.");
  sourceList.fade();
}

async function follow() {
  let wait = STATUS_MS;
  let historyAt = -Infinity;
  for (;;) {
    try {
      const status = await getJson("api/v1/status");
      showConnection(null);
      showHeader(status);
      sourceList.show(status);
      closeup.show(status);
      showLatency(status);
      if (performance.now() - historyAt > HISTORY_MS) {
        historyAt = performance.now();
        showLoad(await getJson("api/v1/history"));
        groups = await getJson("api/v1/groups");
        showGroups();
      }
      wait = STATUS_MS;
    } catch (problem) {
      if (!(problem instanceof RequestError)) throw problem;
      showConnection(problem);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
      historyAt = -Infinity;
    }
    await pause(wait);
    while (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
  }
}

const root = document.documentElement;
function setTheme(theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
}
$("theme").value = localStorage.getItem("theme") ?? "auto";
setTheme($("theme").value);
$("theme").addEventListener("change", (event) => {
  localStorage.setItem("theme", event.target.value);
  setTheme(event.target.value);
});

follow();
