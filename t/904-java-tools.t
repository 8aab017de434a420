#!/usr/bin/env perl
# Apache Kafka's own programs, and with them the Java client: what their users do every day.
use strict;
use warnings;
use JSON::PP;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

my $tool = peer('kafka-broker/bin/tool');
my $broker = Varved->start('num.partitions=4', 'group.initial.rebalance.delay.ms=0');
my @at = ('--bootstrap-server', $broker->address);
my $json = JSON::PP->new;

# They run for a second each: half of it is saved without the better compiler.
$ENV{KAFKA_OPTS} = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto';
$ENV{KAFKA_LOG_LEVEL} = 'error';

# What a program says on both ways out, and its exit code.
sub tool_fed {
    my ($input, $name, @args) = @_;
    return run($input, 'sh', '-c', 'exec "$0" "$@" 2>&1', $tool, $name, @at, @args);
}

sub tool {
    return tool_fed(undef, @_);
}

# The program ends well and says something like this.
sub says {
    my ($want, $what, @command) = @_;
    my ($text, $code) = tool(@command);
    ok($code == 0 && $text =~ $want, $what) or diag("exit code $code, expected $want, saw:\n$text");
    return $text;
}

# A file for a program to read.
sub file_of {
    my ($text) = @_;
    my $file = File::Temp->new;
    print $file $text;
    close $file;
    return $file;
}

my ($text, $code);
my ($topic, $group) = (topic_name('java'), topic_name('group'));
my @topic = ('--topic', $topic);

# ---- topics
says(qr/^Created topic \Q$topic\E\.$/m, 'topics: created', 'topics', '--create', @topic,
    '--partitions', 2, '--config', 'retention.ms=3600000');
($text, $code) = tool('topics', '--create', @topic);
ok($code != 0 && $text =~ /TopicExistsException/, 'topics: not twice') or diag($text);
says(qr/PartitionCount:\ 2\tReplicationFactor:\ 1\tConfigs:\ \S*retention\.ms=3600000.*
    Partition:\ 0\tLeader:\ (\d+)\tReplicas:\ \1\tIsr:\ \1.*Partition:\ 1\t/sx,
    'topics: described', 'topics', '--describe', @topic);

# ---- the console
my $records = join('', map { "h1:v$_,h2:\tk$_\tvalue $_\n" } 1 .. 50);
for my $codec (long_run() ? qw(none gzip snappy lz4 zstd) : 'zstd') {
    my $into = topic_name("console-$codec");
    ($text, $code) = tool_fed($records, 'console-producer', '--topic', $into, '--compression-codec',
        $codec, map { ('--reader-property', $_) } 'parse.key=true', 'parse.headers=true');
    is($code, 0, "console-producer: $codec") or diag($text);
    $text = says(qr/Processed a total of 50 messages/, "console-consumer: reads $codec",
        'console-consumer', '--topic', $into, '--from-beginning', '--max-messages', 50,
        '--timeout-ms', 60000,
        map { ('--formatter-property', "print.$_=true") } qw(key headers timestamp));
    my %seen = map { /^CreateTime:\d{13}\th1:v(\d+),h2:\tk\1\tvalue \1$/ ? ($1 => 1) : () }
        split /\n/, $text;
    is(scalar keys %seen, 50, "$codec: keys, headers, values and times come back") or diag($text);
}

# ---- performance and verification
my $many = long_run() ? 1_000_000 : 5000;
says(qr/^$many records sent, .* ms 99\.9th\.$/m, 'producer-perf-test', 'producer-perf-test', @topic,
    '--num-records', $many, '--record-size', 200, '--throughput', -1,
    '--command-property', 'compression.type=lz4');
says(qr/, $many, /, 'consumer-perf-test: reads them all', 'consumer-perf-test', @topic,
    '--num-records', $many, '--timeout', 60000, '--group', "perf-$group");
my $verified = topic_name('verifiable');
$text = says(qr/"name":"tool_data"/, 'verifiable-producer', 'verifiable-producer', '--topic',
    $verified, '--max-messages', 500, '--throughput', -1);
my @sent = map { $_->{name} eq 'producer_send_success' ? $_->{value} : () }
    map { /^\{/ ? $json->decode($_) : () } split /\n/, $text;
is(scalar @sent, 500, 'verifiable-producer: all acknowledged');
$text = says(qr/"name":"shutdown_complete"/, 'verifiable-consumer', 'verifiable-consumer', '--topic',
    $verified, '--group-id', $group, '--max-messages', 500, '--verbose', '--reset-policy', 'earliest',
    '--enable-autocommit');
my @got = map { $_->{name} eq 'record_data' ? $_->{value} : () }
    map { /^\{/ ? $json->decode($_) : () } split /\n/, $text;
is_deeply([sort { $a <=> $b } @got], [sort { $a <=> $b } @sent],
    'verifiable-consumer: what was acknowledged, each once');

# ---- groups and offsets
says(qr/^\Q$group\E\s+\Q$verified\E\s+0\s+\d+\s+\d+\s+0\s/m,
    'consumer-groups: described, without lag', 'consumer-groups', '--describe', '--group', $group);
says(qr/^\Q$group\E$/m, 'consumer-groups: listed', 'consumer-groups', '--list');
says(qr/^\Q$group\E\s+\Q$verified\E\s+0\s+0\s*$/m, 'consumer-groups: reset', 'consumer-groups',
    '--reset-offsets', '--to-earliest', '--execute', '--group', $group, '--topic', "$verified:0");
if (long_run()) {
    says(qr/^\Q$group\E\s+\Q$verified\E\s+0\s+0\s*$/m, 'consumer-groups: reset to a time',
        'consumer-groups', '--reset-offsets', '--to-datetime', '2020-01-01T00:00:00.000', '--execute',
        '--group', $group, '--topic', $verified);
    says(qr/^\Q$group\E\s.*\bEmpty\b/m, 'consumer-groups: state', 'consumer-groups', '--describe',
        '--state', '--group', $group);
    says(qr/^\Q$verified\E\s+1\s+Successful/m, 'consumer-groups: offsets deleted', 'consumer-groups',
        '--delete-offsets', '--group', $group, '--topic', "$verified:1");
}
says(qr/was successful/, 'consumer-groups: deleted', 'consumer-groups', '--delete', '--group', $group);
$text = says(qr/^\Q$topic\E:0:\d+$/m, 'get-offsets', 'get-offsets', @topic, '--time', 'latest');
my %end = $text =~ /^\Q$topic\E:(\d):(\d+)$/mg;
is($end{0} + $end{1}, $many, 'get-offsets: all records counted');

# ---- settings
says(qr/^Completed updating config/m, 'configs: altered', 'configs', '--alter', '--entity-type',
    'topics', '--entity-name', $topic, '--add-config', 'segment.bytes=2000000',
    '--delete-config', 'retention.ms');
says(qr/^  segment\.bytes=2000000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:segment\.bytes=2000000, DEFAULT_CONFIG:log\.segment\.bytes=1073741824\}$/m,
    'configs: described, with synonyms', 'configs', '--describe', '--entity-type', 'topics',
    '--entity-name', $topic);
if (long_run()) {
    my ($node) = tool('topics', '--describe', @topic) =~ /Leader: (\d+)/;
    my @node = ('--entity-type', 'brokers', '--entity-name', $node);
    says(qr/^\s*log\.dirs=.*\n(?:.*\n)*\s*num\.partitions=4 /m, 'configs: all of the broker',
        'configs', '--describe', '--all', @node);
    says(qr/^Completed updating/m, 'configs: of the broker altered', 'configs', '--alter', @node,
        '--add-config', 'log.retention.ms=3600001');
    says(qr/^  log\.retention\.ms=3600001 .*DYNAMIC_BROKER_CONFIG:log\.retention\.ms=3600001/m,
        'configs: of the broker', 'configs', '--describe', @node);
    says(qr/^Completed updating/m, 'configs: of the broker, back', 'configs', '--alter', @node,
        '--delete-config', 'log.retention.ms');
    ($text, $code) = tool('configs', '--alter', '--entity-type', 'topics', '--entity-name', $topic,
        '--add-config', 'no.such=1');
    ok($code != 0 && $text =~ /Unknown topic config name: no\.such/, 'configs: no unknown ones')
        or diag($text);
}

# ---- records and directories
my $cut = file_of($json->encode({ version => 1,
    partitions => [{ topic => $topic, partition => 0, offset => $end{0} }] }));
my $low = $end{0};
says(qr/^partition: \Q$topic\E-0\tlow_watermark: $low$/m, 'delete-records', 'delete-records',
    '--offset-json-file', $cut->filename);
$text = says(qr/^\{"/m, 'log-dirs', 'log-dirs', '--describe', '--topic-list', $topic);
my ($described) = map { $json->decode($_) } $text =~ /^(\{.*)$/m;
is(scalar @{ $described->{brokers}[0]{logDirs}[0]{partitions} }, 2, 'log-dirs: both partitions');

# ---- what the broker says it can
says(qr/Produce\(0\): \d+ to \d+ \[usable: \d+\].*Fetch\(1\): /s, 'broker-api-versions',
    'broker-api-versions');
# It makes a topic of this name, and wants to be the first.
tool('topics', '--delete', '--if-exists', '--topic', 'newtopic') if !$broker->is_varved;
says(qr/^SUCCESS/m, 'client-compatibility-test', 'client-compatibility-test', '--topic', topic_name('compat'),
    '--offsets-for-times-supported', 'True', '--cluster-id-supported', 'True',
    '--expect-record-too-large-exception', 'False', '--num-cluster-nodes', 1,
    '--create-topics-supported', 'True', '--describe-acls-supported', 'True',
    '--describe-configs-supported', 'True', '--idempotent-producer-supported', 'True');

# ---- partitions added, and the end
($text, $code) = tool('topics', '--alter', @topic, '--partitions', 4);
is($code, 0, 'topics: given partitions') or diag($text);
($text, $code) = tool('topics', '--delete', @topic);
is($code, 0, 'topics: deleted') or diag($text);
if (long_run()) {
    ($text, $code) = tool('topics', '--describe', @topic);
    ok($code != 0 && $text =~ /does not exist/, 'topics: gone') or diag($text);
}
$broker->stop;
done_testing();
