-- wrk script: signed events of one body, each with a delivery id of its own, so that none is a duplicate.
-- Environment: BELAY_BENCH_BODY (file), BELAY_BENCH_SIGNATURE, BELAY_BENCH_PATH.
local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  local file = io.open(os.getenv("BELAY_BENCH_BODY"), "rb")
  body = file:read("*a")
  file:close()
  path = os.getenv("BELAY_BENCH_PATH")
  run = string.format("%x-%x", os.time(), math.random(1, 2 ^ 30))
  count = 0
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["X-GitHub-Event"] = "push"
  wrk.headers["X-Hub-Signature-256"] = os.getenv("BELAY_BENCH_SIGNATURE")
end

function request()
  count = count + 1
  wrk.headers["X-GitHub-Delivery"] = run .. "-" .. id .. "-" .. count
  return wrk.format("POST", path, nil, body)
end
