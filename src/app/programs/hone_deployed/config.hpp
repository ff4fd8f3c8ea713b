#pragma once
// What app.conf and labels.txt say: lines of "key = value", and a class name a line.
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <hone/hone.hpp>

struct Config {
  std::string task;           // classification, multi-label, detection or segmentation
  std::filesystem::path model;
  double threshold = 0.5;     // least score of an object, least probability of a multi-label class
  int top = 1;                // classes to print
  int threads = 0;            // 0: one per processor
  std::vector<std::string> labels;

  std::string label(int index) const {
    bool known = index >= 0 && index < static_cast<int>(labels.size());
    return known ? labels[static_cast<size_t>(index)] : "class " + std::to_string(index);
  }
};

inline std::string trimmed(const std::string& text) {
  size_t from = text.find_first_not_of(" \t\r"), to = text.find_last_not_of(" \t\r");
  return from == std::string::npos ? "" : text.substr(from, to - from + 1);
}

inline Config read_config(const std::filesystem::path& folder) {
  std::ifstream in(folder / "app.conf");
  if (!in)
    throw hone::Error("'" + (folder / "app.conf").string() + "'", "cannot be opened",
                      "give the folder that hone deploy wrote with --app");
  std::map<std::string, std::string> values;
  for (std::string line; std::getline(in, line);) {
    size_t equals = line.find('=');
    if (line.empty() || line[0] == '#' || equals == std::string::npos) continue;
    values[trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
  }
  Config config;
  try {
    config.task = values.at("task");
    config.model = folder / values.at("model");
    if (values.count("threshold")) config.threshold = std::stod(values["threshold"]);
    if (values.count("top")) config.top = std::stoi(values["top"]);
    if (values.count("threads")) config.threads = std::stoi(values["threads"]);
  } catch (const std::exception&) {
    throw hone::Error("app.conf", "lacks task or model, or has a value that is no number",
                      "write it again with hone deploy");
  }
  std::ifstream labels(folder / "labels.txt");
  for (std::string line; std::getline(labels, line);) config.labels.push_back(trimmed(line));
  return config;
}
