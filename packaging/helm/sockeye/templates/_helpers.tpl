{{- define "sockeye.name" -}}
{{- $name := contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{- $name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sockeye.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sockeye.labels" -}}
{{ include "sockeye.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The names of containers are in files of the host, whose root its first process shows; its cgroups
     are found below /host. */}}
{{- define "sockeye.config" -}}
{{- $own := dict
    "run" (dict "user" "sockeye")
    "source" (dict "proc" "/proc" "root" "/proc/1/root")
    "control" (dict "listen" (printf "127.0.0.1:%d" (int .Values.controlPort))) -}}
{{- mustMergeOverwrite $own (deepCopy .Values.config) | toYaml }}
{{- end }}
