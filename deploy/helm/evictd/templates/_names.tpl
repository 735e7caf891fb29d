{{- define "evictd.selector" -}}
app.kubernetes.io/name: evictd
{{- end }}

{{- define "evictd.labels" -}}
{{ include "evictd.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "evictd.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "evictd.capabilities" -}}
{{- $all := list "BPF" "PERFMON" "DAC_READ_SEARCH" "SYS_PTRACE" "IPC_LOCK" "SYS_NICE" -}}
{{- if eq .Values.mode "enforce" -}}
{{- $all = concat $all (list "KILL" "DAC_OVERRIDE") -}}
{{- end -}}
{{- concat $all .Values.extraCapabilities | uniq | toYaml -}}
{{- end }}

{{/* evictd.yaml, with the directories that are mounted where they are not the usual ones. */}}
{{- define "evictd.config" -}}
{{- $paths := dict -}}
{{- if ne .Values.kubelet.rootDirectory "/var/lib/kubelet" -}}
{{- $_ := set $paths "rootDirectory" .Values.kubelet.rootDirectory -}}
{{- end -}}
{{- if ne .Values.kubelet.podLogsDirectory "/var/log/pods" -}}
{{- $_ := set $paths "podLogsDir" .Values.kubelet.podLogsDirectory -}}
{{- end -}}
{{- mergeOverwrite (deepCopy .Values.config) $paths | toYaml -}}
{{- end }}
