#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/format.hpp"
#include "devices/devices.hpp"

namespace hone::app {

namespace {

struct DevicesOptions {
  bool json = false;
  void add(CLI::App& app) { app.add_flag("--json", json, "print JSON"); }
};

int devices(const DevicesOptions& options) {
  Json json = Json::array();
  Table table({"device", "description"}, {1});
  for (const DeviceInfo& device : list_devices()) {
    json.push_back({{"name", device.name}, {"description", device.description}});
    table.add({device.name, device.description});
  }
  if (options.json) print_json(json);
  else fmt::print("{}", table.text());
  return 0;
}

}  // namespace

Action add_devices(CLI::App& app) {
  auto options = std::make_shared<DevicesOptions>();
  options->add(app);
  return [options] { return devices(*options); };
}

}  // namespace hone::app
