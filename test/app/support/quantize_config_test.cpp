#include "app/quantize/quantize_config.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "temporary_folder.hpp"

namespace hone::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

QuantizeSettings read(const std::string& text) {
  TemporaryFolder folder;
  std::ofstream(folder / "config.json") << text;
  QuantizeSettings settings;
  read_quantize_config(folder / "config.json", settings);
  return settings;
}

std::string problem_of(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The form of POT's own templates, comments included.
TEST(QuantizeConfig, AccuracyAwareFileOfPot) {
  QuantizeSettings s = read(R"(
/* Post-training optimization */
{
  "model": {"model_name": "m", "model": "m.xml", "weights": "m.bin"}, // where
  "engine": {"type": "simplified", "data_source": "photos"},
  "compression": {
    "target_device": "ANY", "model_type": "None", "inplase_statistics": true,
    "algorithms": [{"name": "AccuracyAwareQuantization", "params": {
      "ranking_subset_size": 30, "max_iter_num": 20, "maximal_drop": 0.005, "drop_type": "relative",
      "base_algorithm": "DefaultQuantization", "annotation_free": false, "annotation_conf_threshold": 0.6,
      "convert_to_mixed_preset": false, "metric_subset_ratio": 0.5, "tune_hyperparams": false,
      "ignored": {"scope": ["a", "b"], "operations": [{"type": "Add", "attributes": {}}, {"type": "Multiply"}]},
      "stat_subset_size": 100, "use_fast_bias": false,
      "weights": {"bits": 7, "mode": "symmetric", "granularity": "perchannel", "level_low": -127, "level_high": 127},
      "activations": {"bits": 8, "mode": "symmetric", "granularity": "pertensor",
        "range_estimator": {"preset": "default", "max": {"aggregator": "mean", "type": "quantile", "outlier_prob": 0.001},
                            "min": {"type": "min"}}}, "preset": "accuracy"}}]}})");
  EXPECT_TRUE(s.keep_accuracy);
  EXPECT_EQ(s.accuracy.max_drop, 0.005);
  EXPECT_EQ(s.accuracy.drop_type, DropType::relative);
  EXPECT_EQ(s.accuracy.max_iterations, 20);
  EXPECT_EQ(s.accuracy.ranking_subset, 30);
  EXPECT_THAT(s.quantize.ignored_nodes, ElementsAre("a", "b"));
  EXPECT_THAT(s.quantize.ignored_op_types, ElementsAre("Add", "Mul"));
  EXPECT_EQ(s.quantize.subset_size, 100);
  EXPECT_EQ(s.quantize.bias_correction, BiasCorrection::full);
  EXPECT_EQ(s.quantize.saturation_fix, SaturationFix::all);
  EXPECT_EQ(s.quantize.range, RangeMethod::percentile) << "what is said of a side goes over the preset";
  EXPECT_NEAR(s.quantize.percentile, 99.9, 1e-9);
  EXPECT_EQ(s.quantize.activations, ActivationScheme::symmetric);
  EXPECT_EQ(s.quantize.target_device, "auto");
  EXPECT_EQ(s.quantize.model_type, ModelType::general);
  EXPECT_THAT(s.notes, IsEmpty());
}

TEST(QuantizeConfig, ArgumentsOfNncf) {
  QuantizeSettings s = read(R"({
    "preset": "PERFORMANCE", "target_device": "CPU_SPR", "subset_size": 8, "fast_bias_correction": true,
    "model_type": "transformer", "max_drop": 0.02, "drop_type": "ABSOLUTE",
    "ignored_scope": {"names": ["mid"], "patterns": [".*relu"], "types": ["MatMul"], "validate": false, "subgraphs": []},
    "advanced_parameters": {"overflow_fix": "first_layer_only", "quantize_outputs": false, "inplace_statistics": true,
      "disable_channel_alignment": false, "batchwise_statistics": null,
      "activations_quantization_params": {"num_bits": 8, "mode": "asymmetric", "per_channel": false},
      "weights_quantization_params": {"num_bits": 8, "per_channel": true},
      "activations_range_estimator_params": {"min": {"statistics_type": "MIN", "aggregator_type": "MEAN"},
                                             "max": {"statistics_type": "MAX", "aggregator_type": "MEAN"}},
      "weights_range_estimator_params": {}, "bias_correction_params": {"apply_for_all_nodes": false, "threshold": null},
      "smooth_quant_alphas": {"convolution": -1, "matmul": 0.95}},
    "advanced_accuracy_restorer_parameters": {"max_num_iterations": 9223372036854775807, "tune_hyperparams": false,
      "ranking_subset_size": 9, "restore_mode": "activations_and_weights"}})");
  EXPECT_EQ(s.quantize.activations, ActivationScheme::asymmetric) << "what is said of activations goes over the preset";
  EXPECT_EQ(s.quantize.target_device, "cpu-vnni");
  EXPECT_EQ(s.quantize.model_type, ModelType::transformer);
  EXPECT_EQ(s.quantize.saturation_fix, SaturationFix::first_layer);
  EXPECT_EQ(s.quantize.bias_correction, BiasCorrection::fast);
  EXPECT_EQ(s.quantize.range, RangeMethod::mean_min_max);
  EXPECT_EQ(s.quantize.smooth_alpha, 0.95);
  EXPECT_TRUE(s.quantize.equalize);
  EXPECT_FALSE(s.quantize.ignored_must_match);
  EXPECT_THAT(s.quantize.ignored_patterns, ElementsAre("(?:.*relu).*")) << "NNCF matches from the start of a name";
  EXPECT_EQ(s.accuracy.max_iterations, 0);
  EXPECT_EQ(s.accuracy.ranking_subset, 9);
  EXPECT_TRUE(s.keep_accuracy);
  EXPECT_THAT(s.notes, IsEmpty());
}

TEST(QuantizeConfig, OlderFilesOfNncf) {
  QuantizeSettings s = read(R"({"input_info": {"sample_size": [1, 3, 8, 8]}, "compression": {
    "algorithm": "quantization", "preset": "mixed", "overflow_fix": "disable",
    "initializer": {"range": {"num_init_samples": 12, "type": "mean_percentile",
                              "params": {"min_percentile": 0.1, "max_percentile": 99.9}},
                    "batchnorm_adaptation": {"num_bn_adaptation_samples": 16}},
    "ignored_scopes": ["{re}.*__add__", "head"]}})");
  EXPECT_EQ(s.quantize.subset_size, 12);
  EXPECT_EQ(s.quantize.range, RangeMethod::percentile);
  EXPECT_NEAR(s.quantize.percentile, 99.9, 1e-9);
  EXPECT_EQ(s.quantize.saturation_fix, SaturationFix::none);
  EXPECT_THAT(s.quantize.ignored_nodes, ElementsAre("head"));
  EXPECT_THAT(s.quantize.ignored_patterns, ElementsAre("(?:.*__add__).*"));
}

TEST(QuantizeConfig, WeightsAloneOfNncf) {
  QuantizeSettings s = read(R"({"mode": "int4_asym", "ratio": 0.8, "group_size": 64, "subset_size": 7,
    "sensitivity_metric": "hessian_input_activation", "awq": true, "gptq": false})");
  ASSERT_TRUE(s.weights);
  EXPECT_EQ(s.weights->format, WeightFormat::int4);
  EXPECT_FALSE(s.weights->symmetric);
  EXPECT_TRUE(s.weights->data_aware);
  EXPECT_EQ(s.weights->group_size, 64);
  EXPECT_EQ(s.weights->ratio, 0.8);
  EXPECT_EQ(s.subset_size, 7);
  EXPECT_THAT(s.notes, ElementsAre(HasSubstr("awq has no effect")));
}

TEST(QuantizeConfig, SaysTheSameAsTheFlags) {
  QuantizeSettings s = read(R"({"data": "photos", "mean": [1, 2.5, 3], "std": 64, "sweep": true, "strict_drop": true,
    "ignore": ["a"], "ignore_regex": ["b+"], "ignore_types": ["Conv"], "smooth": 0.4, "adaround": true,
    "rounding_iterations": 5, "no_align": true, "no_batch_norm": true, "reduce_range": true, "subset": 3,
    "full_bias_correction": true, "asymmetric_weights": true, "range": "kl"})");
  EXPECT_EQ(s.words["data"], "photos");
  EXPECT_EQ(s.words["mean"], "1,2.5,3");
  EXPECT_EQ(s.words["std"], "64");
  EXPECT_TRUE(s.sweep && s.strict_drop);
  EXPECT_THAT(s.quantize.ignored_nodes, ElementsAre("a"));
  EXPECT_THAT(s.quantize.ignored_patterns, ElementsAre("b+"));
  EXPECT_THAT(s.quantize.ignored_op_types, ElementsAre("Conv"));
  EXPECT_EQ(s.quantize.smooth_alpha, 0.4);
  EXPECT_TRUE(s.quantize.adaptive_rounding);
  EXPECT_EQ(s.quantize.rounding_iterations, 5);
  EXPECT_FALSE(s.quantize.align_channels);
  EXPECT_FALSE(s.quantize.batch_norm_statistics);
  EXPECT_EQ(s.quantize.saturation_fix, SaturationFix::all);
  EXPECT_EQ(s.quantize.bias_correction, BiasCorrection::full);
  EXPECT_EQ(s.quantize.range, RangeMethod::entropy);
  EXPECT_FALSE(s.weights->symmetric);
}

TEST(QuantizeConfig, WhatChangesNothingIsNoted) {
  QuantizeSettings s = read(R"({"activations": {"granularity": "perchannel",
      "range_estimator": {"max": {"type": "max", "aggregator": "median", "clipping_value": 6}}},
    "weights": {"mode": "asymmetric"}, "ignored": {"operations": [{"type": "Add", "attributes": {"axis": 1}}]},
    "annotation_free": true})");
  EXPECT_THAT(s.notes,
              testing::UnorderedElementsAre(
                  HasSubstr("activations.granularity has no effect"), HasSubstr("'median' is taken as the mean"),
                  HasSubstr("clipping_value has no effect"), HasSubstr("weights.mode has no effect"),
                  HasSubstr("attributes has no effect"), HasSubstr("annotation_free has no effect")));
}

TEST(QuantizeConfig, WrongFilesAreExplained) {
  EXPECT_THAT(problem_of("{\"preset\": \"mixed\",\n}"), HasSubstr("is no JSON file: line 2, column 1"));
  EXPECT_THAT(problem_of(R"({"target_device": "GPU"})"),
              testing::AllOf(HasSubstr("'GPU' is not a known device"), HasSubstr("cpu-avx2")));
  EXPECT_THAT(problem_of(R"({"model_type": "Transformers"})"), HasSubstr("got 'Transformers', expected general"));
  EXPECT_THAT(problem_of(R"({"activations": {"bits": 4}})"), HasSubstr("activations.bits: is 4; expected 8"));
  EXPECT_THAT(problem_of(R"({"compression": {"algorithm": "filter_pruning"}})"), HasSubstr("hone prune"));
  EXPECT_THAT(problem_of(R"({"range_estimator": {"max": {"outlier_prob": 2}}})"), HasSubstr("expected 0 to 0.5"));
  EXPECT_THAT(problem_of(R"({"compression": []})"), HasSubstr("no error"));
}

}  // namespace
}  // namespace hone::app
