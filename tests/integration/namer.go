// SPDX-License-Identifier: Apache-2.0

// What Prometheus' own receiver of OTLP calls a metric or an attribute: each line of the input is
// KIND, NAME and UNIT between tabs, each line of the output a name.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/otlptranslator"
)

var kinds = map[string]otlptranslator.MetricType{
	"counter":   otlptranslator.MetricTypeMonotonicCounter,
	"gauge":     otlptranslator.MetricTypeGauge,
	"sum":       otlptranslator.MetricTypeNonMonotonicCounter,
	"histogram": otlptranslator.MetricTypeHistogram,
}

func name(kind, name, unit string) (string, error) {
	if kind == "label" {
		namer := otlptranslator.LabelNamer{}
		return namer.Build(name)
	}
	known, ok := kinds[kind]
	if !ok {
		return "", fmt.Errorf("no kind of metric: %q", kind)
	}
	// As Prometheus does unless otlp.translation_strategy says something else.
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	return namer.Build(otlptranslator.Metric{Name: name, Unit: unit, Type: known})
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		named, err := name(words[0], words[1], words[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(named)
	}
}
