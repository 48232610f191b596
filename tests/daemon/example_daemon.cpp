// A whole daemon on the service core.
#include "signals/handled_signals.hpp"
#include "tests/daemon/example_service.hpp"

using namespace belay;

int main(int argc, char** argv) // example_daemon [CONTROL_SOCKET]
{
    signals::block_handled_signals();
    daemon::Core core{{.name = "example",
        .version = "1",
        .admin_listen = {"127.0.0.1:0"},
        .control_socket = argc > 1 ? argv[1] : "",
        .strict_leaks = true}};
    Example service{core};
    return core.run(service);
}
