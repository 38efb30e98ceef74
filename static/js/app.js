// What every page loads: the elements that live. Each upgrades markup that already says everything without scripts.
import "./elements/time-ago.js";
import "./elements/duration-tick.js";
import "./elements/beat-age.js";
import "./elements/count-down.js";
import "./elements/copy-text.js";
import "./elements/live-run.js";
import "./elements/live-runs.js";
import "./elements/frame-live.js";
import "./elements/log-view.js";
import "./elements/panel-dock.js";
import "./elements/run-graph.js";
import "./elements/run-log.js";
import { showConnection } from "./lib/connection.js";
import { watchKeys } from "./lib/keys.js";
import { watchPalette } from "./lib/palette.js";
import { watchRail } from "./lib/rail.js";
import { offerOwnZone } from "./lib/zone.js";
import { watchTicks } from "./lib/ticks.js";

showConnection();
watchTicks();
watchPalette();
watchKeys();
offerOwnZone();
watchRail();
