// What an SDK parses of a video's operation.
function operation(o) {
  return {
    name: o.name ?? null,
    done: o.done ?? null,
    error: o.error ?? null,
    videos: o.response?.generatedVideos?.map(({ video }) => video.uri) ?? null,
  };
}

// The name that the event gives.
function fileName(operationName) {
  return `files/${operationName.split("/").at(-1)}`;
}

module.exports = { fileName, operation };
