// The bytes of an answer as they come. Node's own iterator drops what was received when the connection breaks; this one
// hands it out first, and asks for no more than is read.

const AHEAD = 256 * 1024;

export async function* bytesOf(response, silence, tooLate) {
  const received = [];
  let held = 0;
  let over;
  let wake = () => {};
  response.on("data", (bytes) => {
    received.push(bytes);
    held += bytes.length;
    if (held > AHEAD) response.pause();
    wake();
  });
  const end = (how) => {
    over ??= how;
    wake();
  };
  response.on("end", () => end({}));
  response.on("error", (error) => end({ error }));
  response.on("close", () => end({ error: Object.assign(new Error("closed"), { code: "ECONNRESET" }) }));
  for (;;) {
    if (received.length) {
      const bytes = received.shift();
      held -= bytes.length;
      if (held <= AHEAD && response.isPaused()) response.resume();
      yield bytes;
    } else if (over !== undefined) {
      if (over.error !== undefined) throw over.error;
      return;
    } else {
      const idle = setTimeout(() => response.destroy(tooLate()), silence * 1000);
      await new Promise((resolve) => (wake = resolve));
      clearTimeout(idle);
    }
  }
}
