// What an SDK parses of a video's operation.
function operation(o) {
  return {
    name: o.name ?? null,
    done: o.done ?? null,
    error: o.error ?? null,
    videos: o.response?.generatedVideos?.map(({ video }) => video.uri) ?? null,
  };
}

module.exports = { operation };
