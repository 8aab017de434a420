package Varved;
# A broker for one test script, and what such scripts share.
#
#   my $broker = Varved->start('num.partitions=4');     ready, or the script dies
#   $broker->address; $broker->crash; $broker->restart; $broker->stop;
#
#   my $broker = Varved->new(options => ['num.partitions=4']);      the same in single steps
#   $broker->launch; $broker->is_ready; $broker->end('TERM'); $broker->ending;
#
# The broker is varved, on a free port, with its data in a directory of its own that is kept when
# the script fails. To try a test itself: VARVE_TEST_BOOTSTRAP=HOST:PORT takes a broker that runs
# already, VARVE_TEST_BOOTSTRAP=kafka starts the peer kafka-broker; what only varved can do is
# skipped then. VARVED names another program than the one that was built.
use strict;
use warnings;
use Exporter 'import';
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(peer peer_program is_sanitized has_failpoints long_run topic_name text_of
    wait_until write_lines flip_bit run lines_of take_tests);

# How many seconds something may take before we call it hung.
use constant PATIENCE => 120;

# A new journal is written once as a whole: 384 MiB for each server are seconds of the disk. It holds the
# largest request, all the same.
my $small_wal = 128 << 20;

my @all;
my $build = $ENV{builddir} // '.';
my $peers = $ENV{VARVE_PEERS} // ($ENV{HOME} // '/root') . '/.cache/varve-peers';

# ---- peers

sub absent {
    my ($what) = @_;
    my $why = "no $what; ./quickstart.sh test installs it";
    if (($ENV{VARVE_REQUIRE_PEERS} // '') eq '1') {
        plan tests => 1;
        fail('the peer is there');
        diag($why);
        exit 1;
    }
    plan skip_all => $why;
}

# A program of a peer that t/peers/install.sh installs, or the script ends here.
sub peer {
    my ($path) = @_;
    -x "$peers/$path" or absent("$path in $peers");
    return "$peers/$path";
}

# A program that a Debian package brings.
sub peer_program {
    my ($name) = @_;
    my ($dir) = grep { -x "$_/$name" } split /:/, $ENV{PATH};
    defined $dir or absent($name);
    return "$dir/$name";
}

# ---- the build

# Such a build keeps what was freed, and has books about the rest: its memory says little.
sub is_sanitized { return text_of("$build/config.log") =~ /fsanitize=/ }
sub has_failpoints { return text_of("$build/config.h") =~ /^#define VRV_FAILPOINTS/m }
sub program { return $ENV{VARVED} // "$build/server/main/varved" }

# ---- scripts

sub long_run { return defined $ENV{VARVE_LONG} }

my $names = 0;

# A name that no other run of any script has used.
sub topic_name {
    my ($what) = @_;
    return sprintf('%s-%x-%d-%d', $what, time, $$, ++$names);
}

sub text_of {
    my ($path) = @_;
    open(my $f, '<', $path) or return '';
    local $/;
    return <$f> // '';
}

# Until the condition holds, for as long as our patience: does it? Who waits for long looks less often,
# since what he waits for needs the processor, too.
sub wait_until {
    my ($condition) = @_;
    my $end = time + PATIENCE;
    for (my $pause = 0.005; ; $pause *= $pause < 0.05 ? 1.1 : 1) {
        return 1 if $condition->();
        return 0 if time > $end;
        sleep $pause;
    }
}

# So many bytes that can be seen on paper, and don't pack.
sub noise {
    my ($n) = @_;
    my $noise = '';
    open(my $random, '<:raw', '/dev/urandom') or die "/dev/urandom: $!";
    while (length $noise < $n) { # of all bytes more than a third is left
        read($random, my $bytes, 3 * ($n - length $noise)) or die "/dev/urandom: $!";
        $noise .= $bytes =~ tr/!-~//cdr;
    }
    return substr $noise, 0, $n;
}

# The file gets so many lines of noise, each as long as told and behind what the function makes of its number.
sub write_lines {
    my ($file, $length, $numbers, $front) = @_;
    my $noise = noise($length * @$numbers);
    my $at = -$length;
    open(my $f, '>', $file) or die "$file: $!";
    print $f $front->($_), substr($noise, $at += $length, $length), "\n" for @$numbers;
    close $f or die "$file: $!";
}

# One in the middle of a file; again, and it is as it was.
sub flip_bit {
    my ($path) = @_;
    my $at = int((-s $path) / 2);
    chmod 0644, $path; # stores write what nobody else is to
    open(my $f, '+<:raw', $path) or die "$path: $!";
    seek $f, $at, 0;
    read($f, my $byte, 1) == 1 or die "$path: no byte $at";
    seek $f, $at, 0;
    print $f chr(ord($byte) ^ 1);
    close $f or die "$path: $!";
}

# run(INPUT, COMMAND...): what it printed and its exit code; INPUT is undef or what it reads. What
# it says on stderr is ours.
sub run {
    my ($input, @command) = @_;
    my $file = File::Temp->new;
    if (defined $input) {
        print $file $input;
        $file->flush;
    }
    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open(STDIN, '<', defined $input ? $file->filename : '/dev/null') && exec @command;
        leave("$command[0]: $!");
    }
    local $/;
    my $text = <$out>;
    close($out);
    return wantarray ? ($text // '', $? >> 8 || $? & 127) : $text // '';
}

sub lines_of {
    return split /\n/, scalar run(@_);
}

# A child of ours that became nothing else: what ends a script is not for it.
sub leave {
    my ($why) = @_;
    print STDERR "$why\n";
    POSIX::_exit(127);
}

# The program prints lines of TAP; they become ours. One whose output ends without a plan has
# failed.
sub take_tests {
    my (@command) = @_;
    my ($planned, $seen) = (undef, 0);
    my $pid = open(my $out, '-|', @command) // die "$command[0]: $!";
    while (my $line = <$out>) {
        chomp $line;
        if ($line =~ /^1\.\.(\d+)/) {
            $planned = $1;
        } elsif ($line =~ /^(not )?ok \d+ - (.*?)(?: # SKIP (.*))?$/) {
            $seen++;
            SKIP: {
                skip("$2: $3", 1) if defined $3;
                ok(!defined $1, $2);
            }
        } elsif ($line =~ /^(?:# |Bail out! )(.*)/) {
            diag($1);
        }
    }
    close($out);
    ok(defined $planned && $planned == $seen, 'all of them ran')
        or diag("status $?, $seen tests of " . ($planned // 'an unknown number'));
}

# ---- the broker

# It comes from below what the system hands out to those who connect: a client that tries again and
# again while there is no server may otherwise get the very port.  It stays ours, also before its server has started and
# while it is down: as long as the script runs UDP's port of this number is taken, which others draw theirs by, too.
my @ours;
sub free_port {
    for (1 .. 200) {
        my $port = 15000 + int rand 17000;
        my $udp = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Proto => 'udp') or next;
        next if !IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Listen => 1);
        push @ours, $udp;
        return $port;
    }
    die "no free port\n";
}

# options: KEY=VALUE; dir: where its data is (dir/data) and what it says (dir/out, dir/err); port;
# uid: to be somebody else; files: how many it may open (ulimit -n). The port stays the same, so that
# clients come back.
sub new {
    my ($class, %what) = @_;
    my $self = bless { options => [], port => free_port(), %what }, $class;
    $self->{dir} //= tempdir('varved-XXXXXX', TMPDIR => 1);
    push @all, $self;
    return $self;
}

sub start {
    my ($class, @options) = @_;
    my $given = $ENV{VARVE_TEST_BOOTSTRAP} // '';
    my $self = $class->new(options => \@options);

    if ($given eq '') {
        $self->restart;
    } elsif ($given eq 'kafka') {
        $self->start_kafka;
    } else {
        $self->{foreign} = $given;
    }
    return $self;
}

sub start_kafka {
    my ($self) = @_;
    my $start = peer('kafka-broker/bin/start');
    my @single = map { "$_=1" } qw(offsets.topic.replication.factor
        transaction.state.log.replication.factor transaction.state.log.min.isr
        share.coordinator.state.topic.replication.factor share.coordinator.state.topic.min.isr);
    my ($address, $code) = run(undef, $start, "$self->{dir}/kafka", @single, @{ $self->{options} });
    $code == 0 or die "Kafka does not start\n";
    chomp($self->{foreign} = $address);
    $self->{stop_kafka} = peer('kafka-broker/bin/stop');
}

# Whether this is varved, and not what a test is tried on.
sub is_varved { return !defined $_[0]{foreign} }

sub address { return $_[0]{foreign} // "127.0.0.1:$_[0]{port}" }
sub dir { return $_[0]{dir} }

# It runs, with this in its environment, and is not ready yet.
sub launch {
    my ($self, %env) = @_;
    my %option = map { split /=/, $_, 2 } "log.dirs=$self->{dir}/data", "wal.bytes=$small_wal",
        "listeners=PLAINTEXT://127.0.0.1:$self->{port}", 'admin.listeners=', @{ $self->{options} };
    my @command = (program(), map { ('-o', "$_=$option{$_}") } sort keys %option);

    $self->end('KILL') if $self->{pid};
    unlink "$self->{dir}/out";
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        @ENV{ keys %env } = values %env;
        open(STDIN, '<', '/dev/null') && open(STDOUT, '>', "$self->{dir}/out")
            && open(STDERR, '>>', "$self->{dir}/err")
            && (!$self->{uid} || POSIX::setuid($self->{uid})) && exec $self->limited(@command);
        leave("$command[0]: $!");
    }
    $self->{pid} = $pid;
}

# The command, with no more open files than it is to have.
sub limited {
    my ($self, @command) = @_;
    return @command if !$self->{files};
    return ('sh', '-c', "ulimit -n $self->{files} && exec \"\$@\"", 'sh', @command);
}

# It waits for that; not when it has ended instead.
sub is_ready {
    my ($self) = @_;
    my $ready;
    wait_until(sub { ($ready = $self->said('out') =~ /^ready .*\n/) || $self->has_ended });
    return $ready;
}

# Has it ended? Then its status says how.
sub has_ended {
    my ($self) = @_;
    return 1 if !defined $self->{pid};
    return 0 if waitpid($self->{pid}, WNOHANG) == 0;
    $self->{status} = $?;
    delete $self->{pid};
    return 1;
}

# How it ended, which it waits for: an exit code or "signal N".
sub ending {
    my ($self) = @_;
    wait_until(sub { $self->has_ended }) or return 'not at all';
    my $signal = $self->{status} & 127;
    return $signal ? "signal $signal" : $self->{status} >> 8;
}

sub end {
    my ($self, $signal) = @_;
    kill $signal => $self->{pid} if defined $self->{pid};
    return $self->ending;
}

# As after a power button: nothing is flushed, closed or said.
sub crash {
    my ($self) = @_;
    return $self->end('KILL');
}

sub restart {
    my ($self) = @_;
    $self->end('TERM') if defined $self->{pid};
    $self->launch;
    $self->is_ready or die "varved is not ready\n" . $self->last_words;
}

# A test of its own: ended when asked, without a word about memory or a thread.
sub stop {
    my ($self) = @_;
    return if !$self->is_varved;
    my $how = $self->end('TERM');
    ok($how eq '0' && $self->said('err') !~ /Sanitizer|runtime error|assertion/i,
        'the server stops cleanly') or diag("it ended: $how\n" . $self->last_words);
}

# On one of its ways out: "out" or "err".
sub said {
    my ($self, $where) = @_;
    return text_of("$self->{dir}/$where");
}

sub last_words {
    my ($self) = @_;
    my @lines = split /\n/, $self->said('err');
    return join("\n", @lines > 30 ? @lines[-30 .. -1] : @lines) . "\n";
}

# What it tells Prometheus, by name and labels; admin.listeners=127.0.0.1:0 is among its options.
sub metrics {
    my ($self) = @_;
    my ($port) = $self->said('err') =~ /.*admin\.listen address=127\.0\.0\.1:(\d+)/s;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "no metrics: $!\n";
    print $s "GET /metrics HTTP/1.0\r\n\r\n";
    local $/;
    return { map { /^([^#\s].*) (\S+)$/ ? ($1 => $2) : () } split /\r?\n/, <$s> };
}

# In bytes: VmRSS, what it has, or VmHWM, the most it had.
sub memory {
    my ($self, $which) = @_;
    return text_of("/proc/$self->{pid}/status") =~ /^$which:\s+(\d+) kB/m ? $1 * 1024 : 0;
}

# Seconds that the threads which answer requests have worked. (Others have work of their own: the
# journal is filled with zeros in the background, and checkpoints are written.)
sub worked {
    my ($self) = @_;
    my $ticks = 0;
    for my $stat (glob "/proc/$self->{pid}/task/*/stat") {
        my ($user, $system) = text_of($stat) =~ /\(varve-(?:net|pool)\S*\)(?: \S+){11} (\d+) (\d+)/;
        $ticks += $user + $system if defined $user;
    }
    return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub tests_of {
    my ($self, @command) = @_;
    local $ENV{BOOTSTRAP} = $self->address;
    take_tests(@command);
}

END {
    my $code = $?;
    for my $self (@all) {
        if (defined $self->{stop_kafka}) {
            system($self->{stop_kafka}, "$self->{dir}/kafka");
        } elsif (defined $self->{pid}) {
            $self->end('KILL');
        }
        if ($code == 0 && Test::More->builder->is_passing) {
            remove_tree($self->{dir});
        } elsif (-d $self->{dir}) {
            diag("kept: $self->{dir}");
            diag($self->last_words);
        }
    }
    $? = $code;
}

1;
