// Numbers and texts for people.

export function setText(place, text) {
  if (place.textContent !== String(text)) place.textContent = text;
}

export const plural = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
export const percent = (share) => `${(100 * share).toFixed(0)} %`;
export const rate = (value) => (value === null ? "–" : value.toFixed(1));

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.9995) return `${(1000 * seconds).toFixed(0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
  return `${parts[0]}:${String(parts[1]).padStart(2, "0")}:${String(parts[2]).padStart(2, "0")}`;
}
