#include "graph/ops/recurrent/cell_activation.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone::ops {

namespace {

using Kind = CellActivation::Kind;

struct Known {
  const char* name;
  Kind kind;
  int numbers;  ///< how many of alpha and beta it takes
  double alpha, beta;
};
constexpr Known known[] = {
    {"Relu", Kind::relu, 0, 0, 0},
    {"Tanh", Kind::tanh, 0, 0, 0},
    {"Sigmoid", Kind::sigmoid, 0, 0, 0},
    {"Affine", Kind::affine, 2, 1, 0},
    {"LeakyRelu", Kind::leaky_relu, 1, 0.01f, 0},
    {"ThresholdedRelu", Kind::thresholded_relu, 1, 1, 0},
    {"ScaledTanh", Kind::scaled_tanh, 2, 1, 1},
    {"HardSigmoid", Kind::hard_sigmoid, 2, 0.2f, 0.5f},
    {"Elu", Kind::elu, 1, 1, 0},
    {"Softsign", Kind::softsign, 0, 0, 0},
    {"Softplus", Kind::softplus, 0, 0, 0},
};

bool same_word(const std::string& a, const char* b) {
  std::string other = b;
  return a.size() == other.size() &&
         std::equal(a.begin(), a.end(), other.begin(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

const Known& find(const std::string& place, const std::string& name) {
  std::string all;
  for (const Known& line : known) {
    if (same_word(name, line.name)) return line;
    all += (all.empty() ? "" : ", ") + std::string(line.name);
  }
  throw Error(place, "activation '" + name + "' is not one that recurrent ops have", "use one of " + all);
}

/// The numbers of a list for each function: by position, or handed out to those that take one.
void hand_out(const std::string& place, const char* what, const std::vector<float>& list,
              const std::vector<const Known*>& functions, int rank, std::vector<CellActivation>& result,
              double CellActivation::*field) {
  if (list.size() > functions.size())
    throw Error(place, fmt::format("{} has {} entries for {} activations", what, list.size(), functions.size()));
  bool by_position = list.size() == functions.size();
  size_t next = 0;
  for (size_t i = 0; i < functions.size(); ++i) {
    if (functions[i]->numbers < rank) continue;
    size_t at = by_position ? i : next++;
    if (at < list.size()) result[i].*field = static_cast<double>(list[at]);
  }
}

}  // namespace

std::vector<CellActivation> cell_activations(const std::string& place, const std::vector<std::string>& names,
                                             const std::vector<float>& alpha, const std::vector<float>& beta) {
  std::vector<const Known*> functions;
  std::vector<CellActivation> result;
  for (const std::string& name : names) {
    functions.push_back(&find(place, name));
    result.push_back({functions.back()->kind, functions.back()->alpha, functions.back()->beta});
  }
  hand_out(place, "activation_alpha", alpha, functions, 1, result, &CellActivation::alpha);
  hand_out(place, "activation_beta", beta, functions, 2, result, &CellActivation::beta);
  return result;
}

}  // namespace hone::ops
